package spool

import (
	"math"
	"time"
)

// Holding is what lies in a spool's root.
type Holding struct {
	Entries int
	// Oldest is when the oldest entry was put, by this host's clock; zero without entries.
	Oldest time.Time
}

// Holding counts the entries of all workers that share the root: those of a dead
// one wait for any of its siblings. It takes no lock, so what comes and goes
// meanwhile may be counted or not.
func (s *Spool) Holding() (Holding, error) {
	var all Holding
	s.mu.Lock()
	for _, e := range s.live {
		all.add(e.at)
	}
	s.mu.Unlock()
	err := eachWorker(s.root, func(dir string) error {
		last := uint64(math.MaxUint64)
		if dir == s.dir { // the rest of it is in memory
			last = s.inherited
		}
		c, err := readUpTo(dir, last)
		for _, r := range c.live {
			all.add(r.at)
		}
		return err
	})
	return all, err
}

func (h *Holding) add(put time.Time) {
	h.Entries++
	if h.Oldest.IsZero() || put.Before(h.Oldest) {
		h.Oldest = put
	}
}
