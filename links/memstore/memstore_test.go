package memstore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/linkstest"
	"github.com/regrant/regrant/links/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	start   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	address = events.Address{Tenant: "default", Provider: "op", Link: "link-1"}
)

func TestConformance(t *testing.T) {
	linkstest.Run(t, func(t *testing.T) linkstest.Stores {
		s := memstore.New(time.Now)
		t.Cleanup(s.Wait) // after the test's context has ended
		return linkstest.Stores{Store: s, Scanner: s, Index: s}
	})
}

// created is a store with one link and a clock that the test moves.
func created(t *testing.T) (s *memstore.Store, now *time.Time, v links.Stored) {
	t.Helper()
	now = new(start)
	s = memstore.New(func() time.Time { return *now })
	if _, err := s.Create(t.Context(), linkstest.Sample(address)); err != nil {
		t.Fatal(err)
	}
	v, err := s.Latest(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return s, now, v
}

func TestFirstIntentIsByTheStoresClock(t *testing.T) {
	s, now, v := created(t)
	*now = start.Add(time.Hour)
	intent := v.Link.Begin(links.Attempt{ID: "attempt-1", At: start.Add(-time.Hour)}, false, links.Rules{})
	if _, err := s.Update(t.Context(), intent, v.Revision); err != nil {
		t.Fatal(err)
	}
	*now = start.Add(2 * time.Hour)
	got, err := s.Get(t.Context(), address)
	if err != nil || !got.Link.FirstIntentAt.Equal(start.Add(time.Hour)) {
		t.Errorf("FirstIntentAt %v, %v; want the time of the write, neither the worker's nor the read's", got.Link.FirstIntentAt, err)
	}
}

// TestWriteFaults is the fault matrix of a write: what the caller is told, and what is true.
func TestWriteFaults(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fault   memstore.Fault
		stale   bool
		want    error
		applied bool
	}{
		"not applied":                  {fault: memstore.Fault{Op: memstore.Update}, want: links.ErrUnknown},
		"not applied, own error":       {fault: memstore.Fault{Op: memstore.Update, Err: broken}, want: broken},
		"applied, answer lost":         {fault: memstore.Fault{Op: memstore.Update, Applied: true}, want: links.ErrUnknown, applied: true},
		"applied, told of a conflict":  {fault: memstore.Fault{Op: memstore.Update, Applied: true, Err: links.ErrConflict}, want: links.ErrConflict, applied: true},
		"to be lost, but refused":      {fault: memstore.Fault{Op: memstore.Update, Applied: true}, stale: true, want: links.ErrConflict},
		"meant for another method":     {fault: memstore.Fault{Op: memstore.Create}, applied: true},
		"meant for another link":       {fault: memstore.Fault{Op: memstore.Update, Match: func(l links.Link) bool { return l.Link == "other" }}, applied: true},
		"slow, then as without fault":  {fault: memstore.Fault{Op: memstore.Update, Pass: true}, applied: true},
		"slow, then refused as always": {fault: memstore.Fault{Op: memstore.Update, Pass: true}, stale: true, want: links.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, v := created(t)
			s.Inject(c.fault)
			changed, revision := v.Link, v.Revision
			changed.Nickname = "changed"
			if c.stale {
				revision--
			}
			if _, err := s.Update(t.Context(), changed, revision); !errors.Is(err, c.want) || (c.want == nil && err != nil) {
				t.Errorf("Update: %v, want %v", err, c.want)
			}
			got, err := s.Latest(t.Context(), address)
			if err != nil || (got.Link.Nickname == "changed") != c.applied {
				t.Errorf("stored nickname %q, %v; applied should be %v", got.Link.Nickname, err, c.applied)
			}
		})
	}
}

// TestIndexFaults: what is said of a take or a release, and who owns the subject.
func TestIndexFaults(t *testing.T) {
	other := events.Address{Tenant: "default", Provider: "op", Link: "link-2"}
	others := func(l links.Link) bool { return l.Address == other && l.Subject == "subject" }
	for name, c := range map[string]struct {
		fault memstore.Fault
		call  func(*memstore.Store, uint64) error
		want  error
		owner events.Address
	}{
		"take, not applied":    {memstore.Fault{Op: memstore.Take, Match: others}, take(other), links.ErrUnknown, address},
		"take, answer lost":    {memstore.Fault{Op: memstore.Take, Match: others, Applied: true}, take(other), links.ErrUnknown, other},
		"take of another":      {memstore.Fault{Op: memstore.Take, Match: others}, take(address), nil, address},
		"release, not applied": {memstore.Fault{Op: memstore.Release}, release(address), links.ErrUnknown, address},
		"release, answer lost": {memstore.Fault{Op: memstore.Release, Applied: true}, release(address), links.ErrUnknown, events.Address{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New(time.Now)
			if err := s.Take(t.Context(), "default", "subject", links.Owner{Address: address}); err != nil {
				t.Fatal(err)
			}
			s.Inject(c.fault)
			before, err := s.Owner(t.Context(), "default", "subject")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.call(s, before.Revision); !errors.Is(err, c.want) || (c.want == nil && err != nil) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if now, err := s.Owner(t.Context(), "default", "subject"); err != nil || now.Address != c.owner {
				t.Errorf("owner %s, %v; want %s", now.Address, err, c.owner)
			}
		})
	}
}

func take(a events.Address) func(*memstore.Store, uint64) error {
	return func(s *memstore.Store, revision uint64) error {
		return s.Take(context.Background(), "default", "subject", links.Owner{Address: a, Revision: revision})
	}
}

func release(a events.Address) func(*memstore.Store, uint64) error {
	return func(s *memstore.Store, _ uint64) error {
		return s.Release(context.Background(), "default", "subject", a)
	}
}

func TestFaultsAreUsedOnceAndInOrder(t *testing.T) {
	s, _, _ := created(t)
	first, second := errors.New("first"), errors.New("second")
	s.Inject(memstore.Fault{Op: memstore.Get, Err: first}, memstore.Fault{Op: memstore.Get, Err: second}, memstore.Fault{Op: memstore.Latest})
	for _, want := range []error{first, second, nil} {
		if _, err := s.Get(t.Context(), address); !errors.Is(err, want) {
			t.Errorf("Get: %v, want %v", err, want)
		}
	}
	if s.Pending() != 1 {
		t.Errorf("%d faults pending, want the one for Latest", s.Pending())
	}
	if _, err := s.Latest(t.Context(), address); !errors.Is(err, links.ErrUnknown) {
		t.Errorf("Latest: %v, want the zero fault's ErrUnknown", err)
	}
}

// TestHold stops a write before its effect, lets another write pass it, and
// lets it go on: the paused writer loses.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, v := created(t)
		reached, hold := make(chan struct{}), make(chan struct{})
		s.Inject(memstore.Fault{Op: memstore.Update, Reached: reached, Hold: hold, Pass: true})
		answer := make(chan error)
		go func() {
			_, err := s.Update(t.Context(), v.Link, v.Revision)
			answer <- err
		}()
		<-reached
		if _, err := s.Update(t.Context(), v.Link, v.Revision); err != nil {
			t.Errorf("a write beside a held one: %v", err)
		}
		close(hold)
		if err := <-answer; !errors.Is(err, links.ErrConflict) {
			t.Errorf("the held write: %v, want ErrConflict", err)
		}
	})
}

func TestHoldEndsWithTheContext(t *testing.T) {
	s, _, v := created(t)
	s.Inject(memstore.Fault{Op: memstore.Update, Hold: make(chan struct{})})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Update(ctx, v.Link, v.Revision)
	if !errors.Is(err, links.ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v, want ErrUnknown and the context's error", err)
	}
}
