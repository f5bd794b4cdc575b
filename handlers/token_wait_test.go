package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// logBuffer is a log that a test reads.
type logBuffer struct{ bytes.Buffer }

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&b.Buffer, nil)) }

// waiter asks for a generation that is not there yet, and is where it waits for it.
func (w *world) waiter(p *process, least uint64) *asked {
	w.t.Helper()
	out := p.ask(api.Token{MinGeneration: least, Wait: 30})
	for task := w.tasks[len(w.tasks)-1]; task.parked; {
		w.step(task)
	}
	if out.done {
		w.t.Fatalf("did not wait: %+v", out)
	}
	return out
}

// woken lets a waiter look again, without time passing.
func (w *world) woken(a *asked) *asked {
	w.letServicesGoOn()
	return a
}

func TestAWaiterIsServedByTheWorkerThatRefreshes(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		got := w.waiter(a, 2)
		a.take(w.report(1)).end()
		w.woken(got).wantServed(t, w, 2)
		if got.took > 0 {
			t.Errorf("served %v after it was announced", got.took)
		}
	})
}

func TestAWaiterIsServedByAnotherWorkersNews(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		got := w.waiter(b, 2)
		a.take(w.report(1)).end()
		w.woken(got)
		if got.done {
			t.Fatalf("answered without news: %+v", got)
		}
		b.feed()
		w.woken(got).wantServed(t, w, 2)
		if got.took > 0 {
			t.Errorf("served after %v", got.took)
		}
	})
}

// Where a refresh token may be presented again until its successor is used, nobody is
// given the successor's bearer while a newer attempt may still be sent.
func TestNoBearerIsServedWhoseUseWouldEndAReplayWindow(t *testing.T) {
	in(t, "until_successor_used", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.useServed(2)
		b.useServed(2)
		slow := a.take(m).until("spool:after")
		b.take(m).end()
		w.sleep(w.budget.Patience)
		newer := b.take(m).until("socket")
		slow.end()
		w.letServicesGoOn()
		newer.end()
		w.letServicesGoOn()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
		if g := w.provider.tokens(w.link()); !g.used {
			t.Error("nobody was served in the end")
		}
	})
}

// letServicesGoOn lets those that ask for bearers come as far as they can.
func (w *world) letServicesGoOn() {
	for _, task := range w.tasks {
		for task.parked && task.msg == nil {
			w.step(task)
		}
	}
}

// The live feed may lose a message: it is looked once more when patience ends.
func TestAWaiterWhoseNewsIsLostIsServedInTheEnd(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		got := w.waiter(b, 2)
		a.take(w.report(1)).end()
		w.sleep(30 * time.Second)
		w.woken(got).wantServed(t, w, 2)
	})
}

func TestAWaiterHearsThatNothingWillCome(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		got := w.waiter(a, 2)
		w.provider.answers = []providers.Class{providers.GrantDead}
		a.take(w.report(1)).end()
		if e := w.woken(got).wantRefused(t, api.ConsentRequired); e.Nickname != "login" || got.took > 0 {
			t.Errorf("%+v after %v", e, got.took)
		}
	})
}

// meanwhile is a store whose answers take a while, in which something happens once.
// The time is the bubble's.
type meanwhile struct {
	links.Store
	happens func()
}

func (s *meanwhile) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	out, err := s.Store.Get(ctx, a)
	takes(2 * time.Millisecond)
	return out, err
}

func (s *meanwhile) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	out, err := s.Store.Latest(ctx, a)
	takes(time.Millisecond)
	if happens := s.happens; happens != nil {
		s.happens = nil
		happens()
	}
	takes(2 * time.Millisecond)
	return out, err
}

// takes lets the bubble's time pass for one goroutine.
func takes(d time.Duration) { <-time.After(d) }

// A rotation is announced while two are reading the link as it was before, one from a
// follower and one from the leader. Neither they nor who waits already are left with
// that until their patience ends.
func TestNewsDuringAReadingIsMissedByNobody(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, at := w.process("a"), w.manyLinks(1)[0]
		store := &meanwhile{Store: w.store.Store}
		a.h.Store = store
		var all [3]asked
		ask := func(i int) {
			all[i].Bearer, all[i].err = a.h.Token(context.Background(), at, api.Token{MinGeneration: 2, Wait: 30})
			all[i].done = true
		}
		go ask(0)
		w.sleep(time.Second)
		store.happens = func() {
			w.rotate(at, 2)
			a.h.Learn(at, map[string][]string{events.HeaderGeneration: {"2"}, events.HeaderSequence: {"2"}})
		}
		go ask(1)
		w.sleep(2500 * time.Microsecond) // it reads from the leader now
		go ask(2)
		w.sleep(time.Second)
		for i := range all {
			if got := &all[i]; !got.done || got.err != nil || got.Generation != 2 {
				t.Errorf("number %d: %+v", i, got)
			}
		}
		w.sleep(time.Minute)
	})
}

// Another message waits for the link's lock in the same process, and gives up.
func TestAWaiterDoesNotLoseItsNewsToOneWhoGivesUp(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		got := w.waiter(b, 2)
		w.locks = func(p *process) error {
			if p == b {
				return locks.ErrHeld
			}
			return nil
		}
		b.take(w.report(1)).end() // waits for the lock, in vain
		a.take(w.report(1)).end()
		before := got.took
		b.feed()
		w.woken(got).wantServed(t, w, 2)
		if got.took-before > w.budget.LockWait+w.budget.LockRenew {
			t.Errorf("served after %v", got.took)
		}
	})
}

func TestAWorkerThatStopsSendsItsWaitersAway(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		got := w.waiter(a, 2)
		a.h.StopWaiting()
		a.h.StopWaiting()
		synctest.Wait()
		_ = w.woken(got).wantRefused(t, api.Unavailable)
		if after := w.answered(a, api.Token{MinGeneration: 2, Wait: 30}); after.took > 0 {
			t.Errorf("waited %v at a worker that stops", after.took)
		}
		w.answered(a, api.Token{}).wantServed(t, w, 1)
	})
}

func TestARequestThatEndsWaitsNoLonger(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		since := time.Now()
		_, err := a.h.Token(ctx, theLink, api.Token{MinGeneration: 2, Wait: 30})
		_ = (&asked{err: err, done: true}).wantRefused(t, api.Pending)
		if took := time.Since(since); took != time.Second {
			t.Errorf("waited %v", took)
		}
	})
}

// slowReads is a store whose reads take a while, and are counted.
type slowReads struct {
	links.Store
	reads atomic.Int64
}

func (s *slowReads) Get(ctx context.Context, a events.Address) (links.Stored, error) {
	s.reads.Add(1)
	takes(time.Millisecond) // the bubble's time: everybody who comes has come
	return s.Store.Get(ctx, a)
}

func (s *slowReads) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	return s.Get(ctx, a)
}

func (s *slowReads) since(n *int64) int64 {
	is := s.reads.Load()
	defer func() { *n = is }()
	return is - *n
}

// manyLinks makes links of one token each.
func (w *world) manyLinks(n int) []events.Address {
	out := make([]events.Address, n)
	for i := range out {
		out[i] = events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprint("many-", i)}
		w.rotate(out[i], 1)
	}
	return out
}

// rotate writes a generation of a link, its first or its next.
func (w *world) rotate(a events.Address, generation uint64) {
	w.t.Helper()
	bearer := secret.New(fmt.Sprint(canary, "-", a.Link, "-", generation))
	sealed, err := handlers.SealTokens(w.keys, a, 1, generation, links.Tokens{Access: bearer})
	if err != nil {
		w.t.Fatal(err)
	}
	l := links.Link{Version: links.Version, Address: a, Status: links.Active, Generation: generation, Consent: 1, Fingerprint: bearer.Fingerprint(), Sealed: sealed}
	s, err := w.store.Store.Latest(context.Background(), a)
	if errors.Is(err, links.ErrNotFound) {
		_, err = w.store.Store.Create(context.Background(), l)
	} else if err == nil {
		_, err = w.store.Store.Update(context.Background(), l, s.Revision)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// Ten thousand requests wait for fifty links: they cost a reading or two a link when
// they come and when they are woken, and none while they wait. One more is refused.
func TestManyWaitersAreCheap(t *testing.T) {
	const waiters, many = 10_000, 50
	in(t, "forbidden", func(w *world) {
		a, all := w.process("a"), w.manyLinks(many)
		store, seen := &slowReads{Store: w.store.Store}, int64(0)
		a.h.Store = store
		a.h.Log = slog.New(slog.DiscardHandler)
		served, failed := atomic.Int64{}, atomic.Int64{}
		for i := range waiters {
			at := all[i%many]
			go func() {
				out, err := a.h.Token(context.Background(), at, api.Token{MinGeneration: 2, Wait: 30})
				if err != nil || string(out.AccessToken) != fmt.Sprint(canary, "-", at.Link, "-2") {
					failed.Add(1)
				}
				served.Add(1)
			}()
		}
		w.sleep(time.Second)
		if n := store.since(&seen); n > 8*many { // a few readings, from a follower and from the leader
			t.Errorf("%d waiters came at the price of %d reads", waiters, n)
		}
		_, err := a.h.Token(w.t.Context(), all[0], api.Token{MinGeneration: 2, Wait: 30})
		_ = (&asked{err: err, done: true}).wantRefused(t, api.Unavailable)
		_ = store.since(&seen)
		w.sleep(20 * time.Second)
		if n := store.since(&seen); n > 0 || served.Load() > 0 {
			t.Fatalf("while nothing happened: %d reads, %d answers", n, served.Load())
		}
		for _, at := range all {
			w.rotate(at, 2)
			a.h.Learn(at, map[string][]string{events.HeaderGeneration: {"2"}, events.HeaderSequence: {"2"}})
		}
		w.sleep(time.Second)
		if n := store.since(&seen); served.Load() != waiters || failed.Load() > 0 || n > 2*many {
			t.Errorf("%d of %d were answered, %d wrongly, with %d reads", served.Load(), waiters, failed.Load(), n)
		}
	})
}
