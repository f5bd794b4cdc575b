package providertest

import (
	"slices"
	"sync"
)

// recorder is the writing side of the ledger. Both calls return when what they say
// is as durable as it will be.
type recorder interface {
	// arrival numbers the presentation.
	arrival(*Presentation) error
	outcome(*Presentation, Outcome) error
	close() error
}

// volatile is a ledger that ends with the process.
type volatile struct {
	mu   sync.Mutex
	seen []Presentation // by N-1
}

func (v *volatile) arrival(p *Presentation) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.N = len(v.seen) + 1
	v.seen = append(v.seen, *p)
	return nil
}

func (v *volatile) outcome(p *Presentation, o Outcome) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.Outcome = o
	v.seen[p.N-1] = *p
	return nil
}

func (v *volatile) close() error { return nil }

func (v *volatile) ledger() *Ledger {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &Ledger{presentations: slices.Clone(v.seen)}
}
