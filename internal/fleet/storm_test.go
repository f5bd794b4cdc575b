package fleet_test

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
)

// storm has links rotated over and over: as soon as a generation is announced, several
// reporters want the next.
type storm struct {
	*testing.T
	cell *fleet.Cell
	all  map[string]events.Address
	on   atomic.Pointer[map[string]bool] // the links that are reported whenever they were rotated
	due  chan string                     // those whose turn it is; each is there once at most

	mu        sync.Mutex
	announced map[string]uint64
}

// reporters is how many report each generation.
const reporters = 3

// newStorm watches the links. They are not reported before it begins.
func newStorm(t *testing.T, cell *fleet.Cell, made []fleet.Link) *storm {
	t.Helper()
	s := &storm{T: t, cell: cell, all: map[string]events.Address{}, due: make(chan string, len(made)), announced: map[string]uint64{}}
	for _, l := range made {
		s.all[l.Link], s.announced[l.Link] = l.Address, 1
	}
	s.ends()
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	begun := make(chan struct{})
	tasks.Go(func() { s.watch(ctx, begun) })
	for range reporters {
		tasks.Go(func() { s.work(ctx) })
	}
	t.Cleanup(func() { cancel(); tasks.Wait() })
	<-begun
	return s
}

// begins has these links reported, until the storm is over.
func (s *storm) begins(made []fleet.Link) {
	on := map[string]bool{}
	for _, l := range made {
		on[l.Link] = true
	}
	s.on.Store(&on)
	for link := range on {
		s.due <- link
	}
}

// ends it: what was reported is handled still.
func (s *storm) ends() { s.on.Store(&map[string]bool{}) }

// watch notes what is announced, and passes on whose turn it is.
func (s *storm) watch(ctx context.Context, begun chan<- struct{}) {
	subjects := s.cell.Bus.Names().Subjects()
	spec := bus.WatchSpec{Subject: subjects.OutFilter(events.Address{}, events.NameTokenRotated), Begun: func() { close(begun) }}
	err := s.cell.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
		a, _, err := subjects.ParseOut(m.Subject)
		if err != nil {
			return err
		}
		if generation, ok := events.GenerationOf(m.Header); ok {
			s.note(a.Link, generation)
		}
		if (*s.on.Load())[a.Link] {
			s.due <- a.Link
		}
		return nil
	})
	if ctx.Err() == nil {
		s.Errorf("watch rotations: %v", err)
	}
}

func (s *storm) note(link string, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announced[link] = generation
}

func (s *storm) now() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.announced)
}

// work reports until ctx ends.
func (s *storm) work(ctx context.Context) {
	for {
		select {
		case link := <-s.due:
			s.report(ctx, link)
		case <-ctx.Done():
			return
		}
	}
}

// report has several reporters say the same. The broker would drop most of it, were
// it told that it is the same.
func (s *storm) report(ctx context.Context, link string) {
	d := events.TokenExpired{Address: s.all[link], Generation: s.now()[link], Reason: events.ReasonExpiring}
	for range reporters {
		m, err := s.cell.Report(d)
		if err == nil {
			delete(m.Header, events.HeaderMsgID)
			err = s.cell.Bus.PublishInput(ctx, m)
		}
		if err != nil && ctx.Err() == nil {
			s.Errorf("report %s: %v", link, err)
		}
	}
}

// advanced says whether each of these links was rotated since.
func (s *storm) advanced(made []fleet.Link, since map[string]uint64) bool {
	now := s.now()
	for _, l := range made {
		if now[l.Link] == since[l.Link] {
			return false
		}
	}
	return true
}

// stormy are the links that are reported: all but a quarter.
func stormy(made []fleet.Link) (some []fleet.Link) {
	for i, l := range made {
		if i%4 != 0 {
			some = append(some, l)
		}
	}
	return some
}
