package memstore

import (
	"context"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Store is a links.Store, a links.Scanner and a links.Index. Make it with New.
type Store struct {
	now    func() time.Time
	faults faults[links.Link]

	mu       sync.Mutex
	revision uint64
	records  map[events.Address]record
	watches  map[*watch]struct{}
	running  sync.WaitGroup
	subjects map[subject]links.Owner // one without an address was released
	users    map[user]map[events.Address]struct{}
}

// record is one link as it is stored.
type record struct {
	data     []byte
	revision uint64
	storedAt time.Time
}

// New returns an empty store. now is the store's own clock, from which
// Link.FirstIntentAt comes; it may run apart from every other clock of a test.
func New(now func() time.Time) *Store {
	return &Store{
		now:      now,
		records:  map[events.Address]record{},
		watches:  map[*watch]struct{}{},
		subjects: map[subject]links.Owner{},
		users:    map[user]map[events.Address]struct{}{},
	}
}

// Get returns the link; there are no followers here, so it is always the latest.
func (s *Store) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	return s.read(ctx, Get, a)
}

// Latest is Get, with faults of its own.
func (s *Store) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	return s.read(ctx, Latest, a)
}

func (s *Store) read(ctx context.Context, op Op, a events.Address) (links.Stored, error) {
	if err := a.Validate(); err != nil {
		return links.Stored{}, err
	}
	var found links.Stored
	err := s.faults.around(ctx, op, links.Link{Address: a}, func() (err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		r, ok := s.records[a]
		if !ok {
			return links.ErrNotFound
		}
		found, err = r.decode()
		return err
	})
	return found, err
}

// Create stores a new link.
func (s *Store) Create(ctx context.Context, l links.Link) (uint64, error) {
	return s.write(ctx, Create, l, func(_ record, exists bool) error {
		if exists {
			return links.ErrExists
		}
		return nil
	})
}

// Update replaces the link if it is at the revision. A link that does not exist is at none.
func (s *Store) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	return s.write(ctx, Update, l, func(old record, exists bool) error {
		if !exists || old.revision != revision {
			return links.ErrConflict
		}
		return nil
	})
}

// write stores l if the check on what is there allows it.
func (s *Store) write(ctx context.Context, op Op, l links.Link, check func(old record, exists bool) error) (uint64, error) {
	if err := l.Validate(); err != nil {
		return 0, err
	}
	data, err := l.Encode()
	if err != nil {
		return 0, err
	}
	var revision uint64
	err = s.faults.around(ctx, op, l, func() (err error) {
		revision, err = s.put(l.Address, data, check)
		return err
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// put is the one place where a record changes: under the mutex, with the check.
func (s *Store) put(a events.Address, data []byte, check func(old record, exists bool) error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.records[a]
	if err := check(old, exists); err != nil {
		return 0, err
	}
	s.revision++
	r := record{data: data, revision: s.revision, storedAt: s.now()}
	s.records[a] = r
	s.notify(a, r)
	return r.revision, nil
}

// decode makes a link that shares nothing with the store.
func (r record) decode() (links.Stored, error) {
	l, err := links.Decode(r.data)
	if err != nil {
		return links.Stored{}, err
	}
	return links.Stored{Link: l.Observed(r.storedAt), Revision: r.revision, StoredAt: r.storedAt}, nil
}
