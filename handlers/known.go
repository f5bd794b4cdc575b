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
	waits map[events.Address]chan struct{}
}

func newKnown(size int) *known {
	facts, err := lru.New[events.Address, fact](size)
	if err != nil {
		panic(err) // size is a positive constant or configuration checked before
	}
	return &known{facts: facts, waits: map[events.Address]chan struct{}{}}
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
	if wait, ok := k.waits[a]; ok && f.stored > 0 {
		delete(k.waits, a)
		close(wait)
	}
}

// news returns a channel that is closed when an event of the link is stored.
func (k *known) news(a events.Address) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait, ok := k.waits[a]
	if !ok {
		wait = make(chan struct{})
		k.waits[a] = wait
	}
	return wait
}

// forget drops a channel that nobody waits on any more.
func (k *known) forget(a events.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.waits, a)
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
