package handlers

import (
	"strconv"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/regrant/regrant/events"
)

// fact is what this process knows of a link for certain: all of it is stored.
type fact struct {
	generation uint64 // announced
	stored     uint64 // number of the last event known to be in the output stream
	armed      uint64 // number of the last due known to have a timer
}

// known is the stale guard's bounded memory. It learns a generation only from a
// stored announcement: this process's own confirmed outbox, or the output
// stream's RePublish, which delivers nothing that was not stored. Were it fed
// any earlier, a report could be acked whose announcement dies with a worker.
type known struct {
	mu    sync.Mutex
	facts *lru.Cache[events.Address, fact]
	waits map[events.Address]*news
}

// news is what those who wait for a link share.
type news struct {
	stored  chan struct{} // closed: an event of the link was stored
	waiting int
}

func newKnown(size int) *known {
	facts, err := lru.New[events.Address, fact](size)
	if err != nil {
		panic(err) // size is a positive constant or configuration checked before
	}
	return &known{facts: facts, waits: map[events.Address]*news{}}
}

func (k *known) of(a events.Address) fact {
	f, _ := k.facts.Get(a)
	return f
}

// learn raises what is known, never lowers it, and wakes who waits for the link.
func (k *known) learn(a events.Address, f fact) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, _ := k.facts.Peek(a)
	merged := fact{
		generation: max(old.generation, f.generation),
		stored:     max(old.stored, f.stored),
		armed:      max(old.armed, f.armed),
	}
	if merged != old {
		k.facts.Add(a, merged)
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
