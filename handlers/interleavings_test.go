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

// Each test here is an interleaving that the design was once broken by, or nearly.
// docs/safeguards.md says which safeguard each of them watches.

func in(t *testing.T, rule string, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, rules[rule])) })
}

// once lets one thing go wrong the next time it can.
func (w *world) once(what string) {
	gone := false
	w.fault = func(now string) bool {
		hit := now == what && !gone
		gone = gone || hit
		return hit
	}
}

func wantDone(t *testing.T, v inbox.Verdict) {
	t.Helper()
	if v.Kind != inbox.KindDone {
		t.Errorf("verdict %+v, want done", v)
	}
}

func TestTwoWorkersReadTheSameRecordAndOnePresents(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		one, two := a.take(m).until("intent:before"), b.take(m).until("intent:before")
		two.end()
		one.end()
		w.rest(a, b)
		w.wantPresentations(1)
		w.wantLink(links.Active, 2)
	})
}

func TestARedeliveryBetweenACommitAndItsFailedPublish(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("commit:after")
		wantDone(t, b.take(m).end())
		w.wantEvents("token-rotated") // before the ack, or it may never be
		w.once("event is refused")
		slow.end()
		w.wantEvents("token-rotated")
		w.wantPresentations(1)
	})
}

func TestAReportIsNotStaleForTheWorkerWhosePublishFailed(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, m := w.process("a"), w.report(1)
		w.once("event is refused")
		if v := a.take(m).end(); v.Kind != inbox.KindLater {
			t.Errorf("acked with %+v, and the event is not stored", v)
		}
		again := a.take(m)
		if again == nil {
			t.Fatal("the stale guard acked a report whose announcement is not stored")
		}
		wantDone(t, again.end())
		w.wantEvents("token-rotated")
	})
}

func TestAStaleReportIsSettledWithoutARead(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b := w.process("a"), w.process("b")
		a.take(w.report(1)).end()
		b.feed()
		for _, p := range []*process{a, b} {
			if late := w.report(1); p.take(late) != nil || late.last.Kind != inbox.KindDone {
				t.Errorf("%s: a report of an announced generation took more than a look", p.name)
			}
		}
	})
}

// Whoever holds the lock may first announce what an earlier worker owed: that is news,
// and not what a waiting report waits for.
func TestAWaiterIsNotPutBackByNewsOfAnotherEvent(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.exclusive = true
		a, b := w.process("a"), w.process("b")
		holder := a.take(w.report(1)).until("present:before")
		waiter := b.take(w.report(1))
		for waiter.parked { // the lock is held, the report is not stale: it waits
			w.step(waiter)
		}
		b.h.Learn(theLink, map[string][]string{events.HeaderSequence: {"1"}, events.HeaderGeneration: {"1"}})
		synctest.Wait()
		for waiter.parked {
			w.step(waiter)
		}
		if waiter.done {
			t.Fatalf("put back with %+v while the lock is held", waiter.msg.last)
		}
		holder.end()
		b.feed()
		wantDone(t, waiter.end())
		w.wantPresentations(1)
	})
}

func TestASlowWorkersOldTimerComesAfterANewerOne(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.NotSent}
		slow := a.take(m).until("arm")
		w.sleep(w.budget.LockTTL)
		wantDone(t, b.take(m).end())
		w.wantLink(links.Active, 2)
		w.wantArmed()
		slow.end()
		w.wantArmed()
	})
}

func TestAFlightsOwnMessageIsRedeliveredToItsProcess(t *testing.T) {
	in(t, "safe", func(w *world) {
		w.sleep(time.Millisecond) // after the generation
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("socket")
		a.take(m)
		if m.acked {
			t.Fatal("the flight acked the message that carries its own duty")
		}
		if other := w.report(1); a.take(other) != nil || !other.acked {
			t.Error("another report of the same did not collapse into the flight")
		}
		a.crash()
		w.rest(b)
		w.wantLink(links.Active, 2)
	})
}

func TestAnUncertainVerdictThenTheLateCommitAndACrashBeforeItsOutbox(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a, b, c, m := w.process("a"), w.process("b"), w.process("c"), w.report(1)
		slow := a.take(m).until("answer")
		b.take(m).end() // sees the attempt, and leaves its worker a patience
		w.wantLink(links.Refreshing, 1)
		w.sleep(w.budget.Patience)
		wantDone(t, b.take(m).end())
		w.wantLink(links.Uncertain, 1)
		slow.until("arm")
		a.crash()
		w.wantEvents()
		c.adopt().end()
		w.wantEvents("token-rotated", "link-recovered")
		w.wantLink(links.Active, 2)
		w.wantArmed()
		w.wantPresentations(1)
		if len(w.disk.files) != 0 {
			t.Error("the answer stayed in the spool")
		}
	})
}

func TestAnAdoptedAnswerIsNotCommittedTwice(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("unspool:before")
		a.crash()
		b.adopt().end()
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
		if kept := w.link().Kept; len(kept) != 0 {
			t.Errorf("an answer that is committed is kept once more, as %s", kept[0].Kind)
		}
	})
}

func TestASecondSuccessOfOneGenerationIsKept(t *testing.T) {
	in(t, "safe", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		b.take(m).end()
		w.sleep(w.budget.Patience)
		wantDone(t, b.take(m).end())
		w.wantLink(links.Active, 2)
		current := w.provider.tokens(w.link())
		slow.end()
		w.wantLink(links.Active, 2)
		if w.provider.tokens(w.link()) != current {
			t.Error("a late answer replaced a newer token")
		}
		if _, ok := w.link().KeptOf(links.KeptCandidate); !ok {
			t.Error("the second answer was thrown away")
		}
	})
}

func TestAClearedAttemptWhoseTimerWasNeverArmed(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		w.provider.answers = []providers.Class{providers.NotSent}
		a.take(m).until("clear:after")
		a.crash()
		wantDone(t, b.take(m).end())
		w.wantArmed()
		w.rest(b)
		w.wantLink(links.Active, 2)
	})
}

// The record is refreshing again when the slow worker comes to its timer. It arms
// it all the same: its ack takes the message away that the next worker relies on.
func TestAClearedAttemptsTimerIsArmedAlthoughTheLinkIsRefreshingAgain(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, c, m := w.process("a"), w.process("b"), w.process("c"), w.report(1)
		w.provider.answers = []providers.Class{providers.NotSent}
		slow := a.take(m).until("clear:after")
		w.sleep(w.budget.LockTTL)
		b.take(m).until("socket")
		wantDone(t, slow.end())
		b.crash()
		w.rest(a, c)
		if s := w.link().Status; s == links.Refreshing {
			t.Error("nobody is left to take the link up")
		}
	})
}

func TestASecondAttemptIsNotSentWhileTheFirstMayHaveBeen(t *testing.T) {
	in(t, "grace", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("answer")
		a.crash()
		first, _ := w.link().Current()
		b.take(m).end()
		w.sleep(w.budget.Patience)
		w.provider.answers = []providers.Class{providers.NotSent}
		b.take(m).end()
		w.wantLink(links.Refreshing, 1)
		if cur, ok := w.link().Current(); !ok || cur.ID != first.ID || len(w.link().Attempts) != 1 {
			t.Errorf("the attempts are %v, want the first alone", w.link().Attempts)
		}
		w.sleep(w.rules.Replay.Window) // what comes now, comes too late to repeat
		w.rest(b)
		w.wantPresentations(1)
		w.wantLink(links.ConsentRequired, 1)
	})
}

func TestAGraceWindowIsJudgedByTheFirstIntentsTime(t *testing.T) {
	in(t, "grace", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("answer")
		a.crash()
		w.sleep(w.rules.Replay.Window - w.budget.Deadline) // b has watched nothing yet
		b.take(m).end()
		w.sleep(w.budget.Patience)
		b.take(m).end()
		w.wantPresentations(1)
	})
}

func TestTheStoresClockMayAnswerLate(t *testing.T) {
	in(t, "grace", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("answer")
		a.crash()
		b.take(m).end()
		w.sleep(w.budget.Patience)
		late := b.take(m).until("clock")
		w.sleep(w.rules.Replay.Window)
		late.end()
		w.rest(b)
		w.wantPresentations(1)
	})
}

func TestNoSuccessorIsHandedOutBeforeANewerAttemptIsSent(t *testing.T) {
	in(t, "until_successor_used", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("spool:after")
		b.take(m).end()
		w.sleep(w.budget.Patience)
		newer := b.take(m).until("socket")
		slow.end()
		if w.link().Generation > 1 {
			w.provider.useBearer()
		}
		newer.end()
		w.rest(a, b)
		w.wantLink(links.Active, 2)
	})
}

func TestTheTimerIsArmedBeforeTheGenerationIsAnnounced(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("commit:after")
		b.take(m).until("publish") // found by reading
		w.wantArmed()
	})
}

// The next report announces a generation whose own worker has not armed its timer yet.
func TestTheTimerIsArmedBeforeTheNextReportAnnouncesTheGeneration(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		a.take(m).until("arm")
		b.take(w.report(2)).until("publish")
		w.wantArmed()
	})
}

func TestTheReconcilerArmsWhatThisProcessRemembersAsArmed(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.RenewAt = 0.5
		a := w.process("a")
		a.take(w.report(1)).end()
		clear(w.broker.timers) // the timer stream was purged
		r := a.h.NewReconciler(w.store.Store, 0)
		a.start(nil, func(ctx context.Context) {
			if err := r.Scan(ctx, true); err != nil {
				t.Error(err)
			}
		}).end()
		w.wantArmed()
	})
}

func TestLastChanceEndsForALinkWithNothingToPresent(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		w.rules.LastChance = true
		stored, err := w.store.Store.Latest(t.Context(), theLink)
		if err != nil {
			t.Fatal(err)
		}
		stored.Link.Refreshable = false
		if _, err := w.store.Store.Update(t.Context(), stored.Link, stored.Revision); err != nil {
			t.Fatal(err)
		}
		wantDone(t, w.process("a").take(w.report(1)).end())
		w.wantLink(links.ConsentRequired, 1)
		w.wantPresentations(0)
	})
}

func TestALinkThatWasCondemnedAndThenParkedIsAnnouncedAsRecovered(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, b, m := w.process("a"), w.process("b"), w.report(1)
		slow := a.take(m).until("answer")
		b.take(m).end()
		w.sleep(w.budget.Patience)
		b.take(m).end()
		w.sleep(w.budget.DeadlineOnce + time.Second)
		w.broker.fire()
		b.take(w.broker.messages[len(w.broker.messages)-1]).end()
		w.wantLink(links.ConsentRequired, 1)
		w.provider.down = true
		slow.end()
		w.wantLink(links.Unverified, 1)
		w.rest(a, b)
		w.wantEvents("consent-required", "token-rotated", "link-recovered")
	})
}
