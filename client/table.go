package client

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/regrant/regrant/events"
)

// table holds the entries of the links in use, a bounded number of them.
type table struct {
	mu      sync.Mutex
	entries *simplelru.LRU[events.Address, *entry]
	// dropped is told of an entry that was given up, if set before first use.
	dropped func(events.Address)
}

func newTable(size int) *table {
	t := &table{}
	// It fails for a size below 1 only.
	t.entries, _ = simplelru.NewLRU(max(size, 1), t.giveUp)
	return t
}

// giveUp is called under mu for the entry that has to go.
func (t *table) giveUp(a events.Address, e *entry) {
	e.drop()
	if t.dropped != nil {
		t.dropped(a)
	}
}

// entry finds or makes the entry of a link.
func (t *table) entry(a events.Address) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.entries.Get(a); ok {
		return e
	}
	e := &entry{address: a}
	t.entries.Add(a, e)
	return e
}

// find is the entry of a link that is in use, or nil.
func (t *table) find(a events.Address) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, _ := t.entries.Peek(a)
	return e
}

// all are the entries of this moment.
func (t *table) all() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries.Values()
}
