package handlers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// Each test here is a schedule that broke the procedure once it was built.

// b sees, watches and gives up what a's intent left in the record.
func (w *world) giveUp(b *process, m *message) {
	w.t.Helper()
	b.take(m).end()
	w.sleep(w.budget.Patience)
	wantDone(w.t, b.take(m).end())
	w.wantLink(links.Uncertain, 1)
}

func TestAnIntentThatWasOvertakenBeforeItsReplyIsKnownNotToBeSent(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.once("write's reply is late")
		slow := a.take(m).until("reply")
		w.giveUp(b, m)
		slow.end()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func TestAnAttemptThatWasNotSentIsClearedThoughTheStoreIsAwayForAWhile(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.Refused}
		slow := a.take(m).until("socket")
		w.store.away = true
		w.forAWhile(slow, w.budget.Recovery/2)
		w.store.away = false
		slow.end()
		w.wantLink(links.Active, 1)
		w.rest(b)
		w.wantLink(links.Active, 2)
	})
}

func TestAnAttemptThatWasNotSentIsClearedAfterItsMessageIsSettledByAnother(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.Refused}
		slow := a.take(m).until("socket")
		w.store.away = true
		w.forAWhile(slow, 2*w.budget.Recovery)
		w.store.away = false
		w.giveUp(b, m)
		a.adopt().end()
		w.wantLink(links.Active, 1)
		w.wantArmed()
		w.rest(b)
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
	})
}

func TestAnAnswerThatTheDiskRefusesOutlivesTheStoresAbsence(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		w.store.away, w.disk.full = true, true
		w.forAWhile(slow, 3*w.budget.Recovery)
		w.store.away = false
		slow.end()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func TestAnAnswerThatTheDiskRefusedIsSavedOnceItHasRoom(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		w.store.away, w.disk.full = true, true
		w.forAWhile(slow, 3*w.budget.Recovery)
		w.disk.full = false
		w.forAWhile(slow, 3*w.budget.Recovery)
		a.crash()
		w.store.away = false
		w.rest(b)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

func TestAStopDoesNotCutTheReconcilersIntent(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		lost := w.report(1)
		w.provider.answers = []providers.Class{providers.Refused}
		wantDone(t, a.take(lost).end())
		clear(w.broker.timers) // lost
		w.sleep(2 * w.budget.Recovery)
		stop, end := context.WithCancel(context.Background())
		defer end()
		r := a.h.NewReconciler(w.store.Store, 0)
		scan := a.start(nil, func(ctx context.Context) {
			_ = r.Scan(stopped{ctx, stop}, true)
		}).until("intent:before")
		w.once("write's reply is late")
		scan.until("reply")
		end()
		synctest.Wait()
		scan.end()
		a.crash()
		w.rest(b)
		w.wantLink(links.Active, 2)
	})
}

// stopped is a task's context that ends with another.
type stopped struct {
	context.Context
	stop context.Context
}

func (s stopped) Done() <-chan struct{} { return s.stop.Done() }
func (s stopped) Err() error            { return s.stop.Err() }

func TestALostRaceIsReadAgainWhereWritesAreDecided(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		one := a.take(m).until("intent:before")
		b.take(m).end()
		w.fault = func(what string) bool { return what == "stale read" } // a's follower lags for long
		wantDone(t, one.end())
		w.wantPresentations(1)
	})
}

// A fingerprint that a lagging follower does not know may be the newest bearer's.
func TestTheNewestBearerIsNotStaleBecauseAFollowerLags(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		wantDone(t, w.process("a").take(w.report(1)).end())
		b := w.process("b") // has not heard of generation 2
		m := w.reportFor(events.TokenExpired{Address: theLink, Fingerprint: w.link().Fingerprint, Reason: events.ReasonUnauthorized})
		w.fault = func(what string) bool { return what == "stale read" }
		wantDone(t, b.take(m).end())
		w.wantLink(links.Active, 3)
		w.wantPresentations(2)
	})
}

func TestAHandlerDoesNotWaitForAStreamForEver(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, m := w.process("a"), w.report(1)
		w.broker.stuck = true
		one := a.take(m)
		w.forAWhile(one, 3*w.budget.Recovery)
		if !one.done || m.last.Kind != inbox.KindLater {
			t.Fatalf("done %t with %+v, want the message put back", one.done, m.last)
		}
		w.broker.stuck = false
		w.rest(a)
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
	})
}

func TestATakeoverTakesOnePatienceHoweverManyWorkersShareTheMessage(t *testing.T) {
	in(t, "safe", func(w *world) {
		a, m := w.process("a"), w.report(1)
		a.take(m).until("answer")
		a.crash()
		others := []*process{w.process("b"), w.process("c"), w.process("d"), w.process("e"), w.process("f"), w.process("g")}
		began := time.Now()
		for turn := 0; w.link().Generation == 1; turn++ {
			others[turn%len(others)].take(m).end()
			w.sleep(time.Until(m.notBefore))
		}
		if took := time.Since(began); took > w.budget.Recovery {
			t.Errorf("a dead worker's link was taken up after %v, want %v at most", took, w.budget.Recovery)
		}
	})
}

func TestARestoredLinksTimerIsArmedThoughItsNumberWasUsed(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a := w.process("a")
		backup, err := w.store.Store.Latest(t.Context(), theLink)
		if err != nil {
			t.Fatal(err)
		}
		a.take(w.report(1)).end()
		a.take(w.report(2)).end()
		w.wantLink(links.Active, 3)
		w.store.restored = true
		w.restore(backup.Link)
		clear(w.broker.timers) // fired
		wantDone(t, a.take(w.report(3)).end())
		w.wantLink(links.Uncertain, 3)
		w.wantArmed()
	})
}

func TestAnAnswerIsAdoptedWhoseHandlerPanicked(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a := w.process("a")
		m := w.report(1)
		w.provider.panics = true
		one := a.take(m)
		one.end()
		if len(w.disk.orphans()) != 1 {
			t.Fatal("nobody will take up the answer of a handler that panicked")
		}
		a.adopt().end() // must not take the worker down
		w.provider.panics = false
		w.rest(a)
		w.wantLink(links.Active, 2)
		w.wantPresentations(1)
	})
}

// An answer that was cut short leaves a grant and no bearer: nobody can report that it
// is refused, so nobody is waited for when the grant's own outcome is unknown.
func TestALinkWithoutABearerIsNotUncertainForEver(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, m := w.process("a"), w.report(1)
		w.once("answer is cut short")
		a.take(m).end()
		w.provider.answers = []providers.Class{providers.Ambiguous}
		w.rest(a)
		w.wantLink(links.ConsentRequired, 2)
		w.wantEvents("consent-required")
		w.wantPresentations(2)
	})
}

// restore puts an old record back, as a backup does.
func (w *world) restore(l links.Link) {
	w.t.Helper()
	is, err := w.store.Store.Latest(context.Background(), l.Address)
	if err == nil {
		_, err = w.store.Store.Update(context.Background(), l, is.Revision)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// forAWhile lets a task go on until it ends or time has passed.
func (w *world) forAWhile(t *task, d time.Duration) {
	for end := time.Now().Add(d); !t.done && time.Now().Before(end); {
		t.advance()
	}
}

func TestAReportDoesNotCollapseIntoAMistake(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, early := w.process("a"), w.process("b"), w.report(2)
		slow := a.take(early).until("release") // there is no generation 2, it read
		wantDone(t, b.take(w.report(1)).end())
		live := w.report(2)
		if task := a.take(live); task != nil {
			task.end()
		}
		if v := slow.end(); v.Kind != inbox.KindDead {
			t.Errorf("a generation that was not there: %+v", v)
		}
		w.rest(a, b)
		w.wantLink(links.Active, 3)
	})
}

// TestAReportDoesNotCollapseIntoWhatWasAMistake: to b, which gets it meanwhile, a's report
// is a dead letter. Once there is the generation that it names, a refreshes for it; but
// after a's death nobody does.
func TestAReportDoesNotCollapseIntoWhatWasAMistake(t *testing.T) {
	in(t, "safe", func(w *world) {
		a, b, early := w.process("a"), w.process("b"), w.report(2)
		slow := a.take(early).until("get")
		if v := b.take(early).end(); v.Kind != inbox.KindDead {
			t.Fatalf("a generation that was not there: %+v", v)
		}
		w.sleep(time.Millisecond)
		wantDone(t, b.take(w.report(1)).end())
		slow.until("socket")
		w.sleep(time.Millisecond)
		live := w.report(2)
		a.take(live)
		if live.acked {
			t.Error("a report rests on one that is a dead letter")
		}
		a.crash()
		w.rest(b)
		w.wantLink(links.Active, 3)
	})
}

// TestAnUnknownOutcomeIsJudgedByTheStoresClock: b gives up what a has presented, and c
// gets a timer of before, and reconciles. Whoever's clock is wrong, a's answer is waited
// for until its deadline, and not longer.
func TestAnUnknownOutcomeIsJudgedByTheStoresClock(t *testing.T) {
	for name, skew := range map[string]struct{ writer, reader time.Duration }{
		"the reader's is ahead": {0, time.Hour}, "the writer's is ahead": {time.Hour, 0}, "the writer's is behind": {-time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, "forbidden", func(w *world) {
				a, b, c, m := w.process("a"), w.skewed("b", skew.writer), w.skewed("c", skew.reader), w.report(1)
				slow := a.take(m).until("answer")
				w.giveUp(b, m)
				wantDone(t, c.take(w.broker.add("REGRANT_TIMER", events.Subjects{}.Due(theLink), nil, nil)).end())
				w.wantLink(links.Uncertain, 1)
				c.scan().end()
				w.wantLink(links.Uncertain, 1)
				if left := time.Until(w.link().AnswersUntil); left > w.budget.DeadlineOnce {
					t.Errorf("an answer is waited for another %v", left)
				}
				slow.end()
				w.rest(b, c)
				w.wantLink(links.Active, 2)
				w.wantEvents("token-rotated", "link-recovered")
			})
		})
	}
}
