package handlers

import (
	"strconv"
	"sync"

	"github.com/regrant/regrant/events"
)

// known is the stale guard's bounded memory. It learns a generation only from a
// stored announcement: this process's own confirmed outbox, or the output
// stream's RePublish, which delivers nothing that was not stored. Were it fed
// any earlier, a report could be acked whose announcement dies with a worker.
type known struct {
	mu    sync.Mutex
	facts memory
	waits map[events.Address]*news
}

// news is what those who wait for a link share.
type news struct {
	stored  chan struct{} // closed: an event of the link was stored
	waiting int
}

func newKnown(size int) *known {
	return &known{facts: newMemory(size), waits: map[events.Address]*news{}}
}

func (k *known) of(a events.Address) fact {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.facts.of(a)
}

// learn raises what is known, never lowers it, and wakes who waits for the link.
func (k *known) learn(a events.Address, f fact) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.facts.of(a)
	merged := fact{
		generation: max(old.generation, f.generation),
		stored:     max(old.stored, f.stored),
		armed:      max(old.armed, f.armed),
	}
	if merged != old {
		k.facts.set(a, merged)
	}
	if n, ok := k.waits[a]; ok && f.stored > 0 {
		delete(k.waits, a)
		close(n.stored)
	}
}

// news returns what tells when an event of the link is stored from now on. Whoever
// asked gives it back with forget.
func (k *known) news(a events.Address) *news {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.waits[a]
	if !ok {
		n = &news{stored: make(chan struct{})}
		k.waits[a] = n
	}
	n.waiting++
	return n
}

// forget gives news back; what nobody waits for any more is dropped.
func (k *known) forget(a events.Address, n *news) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n.waiting--; n.waiting == 0 && k.waits[a] == n {
		delete(k.waits, a)
	}
}

// Learn takes a message of the output stream's RePublish (model: FEED).
func (h *Handlers) Learn(a events.Address, head map[string][]string) {
	f := fact{}
	f.generation, _ = events.GenerationOf(head)
	f.stored, _ = strconv.ParseUint(header(head, events.HeaderSequence), 10, 64)
	if f != (fact{}) {
		h.known.learn(a, f)
	}
}

// header reads one of our own headers; NATS keeps their case.
func header(head map[string][]string, name string) string {
	if values := head[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}
