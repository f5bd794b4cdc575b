package memstore

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/links"
)

// Apps is an apps.Store. Make it with NewApps.
type Apps struct {
	now    func() time.Time
	faults faults[apps.App]

	mu       sync.Mutex
	news     sync.Cond
	revision uint64
	records  map[string]record
}

var _ apps.Store = (*Apps)(nil)

// AppFault is what happens to one call of an Apps.
type AppFault = FaultOf[apps.App]

// NewApps returns an empty store of apps. now is the store's own clock.
func NewApps(now func() time.Time) *Apps {
	s := &Apps{now: now, records: map[string]record{}}
	s.news.L = &s.mu
	return s
}

// Inject adds faults, as Store.Inject does.
func (s *Apps) Inject(f ...AppFault) { s.faults.add(f) }

// Get returns the app; it is always the latest.
func (s *Apps) Get(ctx context.Context, name string) (apps.Stored, error) {
	if err := apps.New(name).Validate(); err != nil {
		return apps.Stored{}, err
	}
	var found apps.Stored
	err := s.faults.around(ctx, Get, apps.App{Name: name}, func() (err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		r, ok := s.records[name]
		if !ok {
			return links.ErrNotFound
		}
		found, err = r.app()
		return err
	})
	return found, err
}

// Create stores a new app.
func (s *Apps) Create(ctx context.Context, a apps.App) (uint64, error) {
	return s.write(ctx, Create, a, func(_ record, exists bool) error {
		if exists {
			return links.ErrExists
		}
		return nil
	})
}

// Update replaces the app if it is at the revision. An app that does not exist is at none.
func (s *Apps) Update(ctx context.Context, a apps.App, revision uint64) (uint64, error) {
	return s.write(ctx, Update, a, func(old record, exists bool) error {
		if !exists || old.revision != revision {
			return links.ErrConflict
		}
		return nil
	})
}

func (s *Apps) write(ctx context.Context, op Op, a apps.App, check func(old record, exists bool) error) (revision uint64, err error) {
	data, err := a.Encode()
	if err != nil {
		return 0, err
	}
	err = s.faults.around(ctx, op, a, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		old, exists := s.records[a.Name]
		if err := check(old, exists); err != nil {
			return err
		}
		s.revision++
		revision = s.revision
		s.records[a.Name] = record{data: data, revision: revision, storedAt: s.now()}
		s.news.Broadcast()
		return nil
	})
	return revision, err
}

// Watch calls changed from the caller's goroutine; changed may use the store.
func (s *Apps) Watch(ctx context.Context, changed func(apps.Stored)) error {
	defer context.AfterFunc(ctx, s.wake)()
	told := map[string]uint64{}
	for {
		batch := s.after(ctx, told)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for name, r := range batch {
			told[name] = r.revision
			if stored, err := r.app(); err == nil {
				changed(stored)
			}
		}
	}
}

func (s *Apps) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news.Broadcast()
}

// after waits for records that were not told of as they are now.
func (s *Apps) after(ctx context.Context, told map[string]uint64) map[string]record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		batch := maps.Clone(s.records)
		maps.DeleteFunc(batch, func(name string, r record) bool { return told[name] == r.revision })
		if len(batch) > 0 || ctx.Err() != nil {
			return batch
		}
		s.news.Wait()
	}
}

// app makes an app that shares nothing with the store.
func (r record) app() (apps.Stored, error) {
	a, err := apps.Decode(r.data)
	if err != nil {
		return apps.Stored{}, err
	}
	return apps.Stored{App: a, Revision: r.revision, StoredAt: r.storedAt}, nil
}
