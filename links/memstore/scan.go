package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// List yields the links as they were when List was called. yield may use the store.
func (s *Store) List(ctx context.Context, filter events.Address, yield func(links.Stored) bool) error {
	var passed links.Unreadable
	for _, r := range s.matching(filter) {
		if err := ctx.Err(); err != nil {
			return err
		}
		stored, err := r.decode()
		if err != nil {
			passed.Note("a record", err)
			continue
		}
		if !yield(stored) {
			return nil
		}
	}
	return cmp.Or(ctx.Err(), passed.Err())
}

func (s *Store) matching(filter events.Address) []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := maps.Clone(s.records)
	maps.DeleteFunc(found, func(a events.Address, _ record) bool { return !matches(filter, a) })
	return slices.Collect(maps.Values(found))
}

// matches says whether a filter, whose empty fields match all, takes an address.
func matches(filter, a events.Address) bool {
	return (filter.Tenant == "" || filter.Tenant == a.Tenant) &&
		(filter.Provider == "" || filter.Provider == a.Provider) &&
		(filter.Link == "" || filter.Link == a.Link)
}

// Watch calls changed from a goroutine of its own, one write at a time and all
// of them in order; changed may use the store. Wait waits for that goroutine.
func (s *Store) Watch(ctx context.Context, filter events.Address, changed func(links.Stored)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &watch{filter: filter, news: sync.NewCond(&s.mu)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[w] = struct{}{}
	stop := context.AfterFunc(ctx, func() { s.unwatch(w) })
	s.running.Go(func() {
		defer stop()
		s.deliver(ctx, w, changed)
	})
	return nil
}

// Wait returns when every watch whose context has ended has made its last call.
// It is for tests that must not leave goroutines behind.
func (s *Store) Wait() { s.running.Wait() }

// watch is one watcher; all of it is guarded by the store's mutex.
type watch struct {
	filter events.Address
	news   *sync.Cond
	queue  []record
	ended  bool
}

// notify queues a write for its watchers. The caller holds the mutex, so the
// queues have the order of the writes.
func (s *Store) notify(a events.Address, r record) {
	for w := range s.watches {
		if matches(w.filter, a) {
			w.queue = append(w.queue, r)
			w.news.Signal()
		}
	}
}

func (s *Store) unwatch(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w)
	w.ended = true
	w.news.Signal()
}

func (s *Store) deliver(ctx context.Context, w *watch, changed func(links.Stored)) {
	for {
		r, ok := s.next(w)
		if !ok || ctx.Err() != nil {
			return
		}
		if stored, err := r.decode(); err == nil {
			changed(stored)
		}
	}
}

// next waits for a queued write; false means that the watch has ended.
func (s *Store) next(w *watch) (record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(w.queue) == 0 && !w.ended {
		w.news.Wait()
	}
	if w.ended {
		return record{}, false
	}
	r := w.queue[0]
	w.queue = w.queue[1:]
	return r, true
}
