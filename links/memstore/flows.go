package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
)

// Flows is a consents.Store and a consents.Scanner. Make it with NewFlows.
type Flows struct {
	now    func() time.Time
	faults faults[consents.Flow]

	mu       sync.Mutex
	revision uint64
	records  map[string]kept
}

var (
	_ consents.Store   = (*Flows)(nil)
	_ consents.Scanner = (*Flows)(nil)
)

// kept is a record with an end, after which it is as if it had never been.
type kept struct {
	record
	until time.Time
}

// NewFlows returns an empty store of flows. now is the store's own clock: the
// order of consents comes from it, and flows end by it.
func NewFlows(now func() time.Time) *Flows {
	return &Flows{now: now, records: map[string]kept{}}
}

// Get returns the flow; it is always the latest.
func (s *Flows) Get(ctx context.Context, key string) (consents.Stored, error) {
	if err := usable(ctx, key); err != nil {
		return consents.Stored{}, err
	}
	var found consents.Stored
	err := s.faults.around(ctx, Get, consents.Flow{Key: key}, func() (err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		r, ok := s.live(key)
		if !ok {
			return links.ErrNotFound
		}
		found, err = r.flow()
		return err
	})
	return found, err
}

// Create stores a new flow.
func (s *Flows) Create(ctx context.Context, f consents.Flow) (uint64, error) {
	return s.write(ctx, Create, f, func(_ kept, exists bool) error {
		if exists {
			return links.ErrExists
		}
		return nil
	})
}

// Update replaces the flow if it is at the revision. A flow that does not exist is at none.
func (s *Flows) Update(ctx context.Context, f consents.Flow, revision uint64) (uint64, error) {
	return s.write(ctx, Update, f, func(old kept, exists bool) error {
		if !exists || old.revision != revision {
			return links.ErrConflict
		}
		return nil
	})
}

// write stores f if the check on what is there allows it.
func (s *Flows) write(ctx context.Context, op Op, f consents.Flow, check func(old kept, exists bool) error) (uint64, error) {
	if err := usable(ctx, f.Key); err != nil {
		return 0, err
	}
	keep := f.Retention()
	if keep < time.Second {
		return 0, fmt.Errorf("consent flow %s is %s and to be kept for %s: its times are wrong", f.ID, f.Status, keep)
	}
	data, err := f.Encode()
	if err != nil {
		return 0, err
	}
	var revision uint64
	err = s.faults.around(ctx, op, f, func() (err error) {
		revision, err = s.put(f.Key, data, keep, check)
		return err
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// put is the one place where a record changes: under the mutex, with the check.
func (s *Flows) put(key string, data []byte, keep time.Duration, check func(old kept, exists bool) error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.live(key)
	if err := check(old, exists); err != nil {
		return 0, err
	}
	s.revision++
	now := s.now()
	s.records[key] = kept{record{data: data, revision: s.revision, storedAt: now}, now.Add(keep)}
	return s.revision, nil
}

// live returns the record of a key unless its end has come. The caller holds the mutex.
func (s *Flows) live(key string) (kept, bool) {
	r, ok := s.records[key]
	return r, ok && s.now().Before(r.until)
}

// flow makes a flow that shares nothing with the store.
func (r record) flow() (consents.Stored, error) {
	f, err := consents.Decode(r.data)
	if err != nil {
		return consents.Stored{}, err
	}
	return consents.Stored{Flow: f.Observed(r.storedAt), Revision: r.revision, StoredAt: r.storedAt}, nil
}

// List yields the flows that existed when it was called, each as it stands when its
// turn comes.
func (s *Flows) List(ctx context.Context, yield func(consents.Stored) bool) error {
	var passed links.Unreadable
	for _, key := range s.keys() {
		found, err := s.Get(ctx, key)
		switch {
		case errors.Is(err, links.ErrNotFound):
		case errors.Is(err, consents.ErrRecord):
			passed.Note(key, err)
		case err != nil:
			return err
		case !yield(found):
			return nil
		}
	}
	return cmp.Or(ctx.Err(), passed.Err())
}

func (s *Flows) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.records))
}
