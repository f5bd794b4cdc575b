package handlers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/replay"
	"github.com/regrant/regrant/links"
)

// replayed is an input of the past, as an operator's replay publishes it.
func (c *cell) replayed(m *message) *message {
	c.t.Helper()
	again, err := events.Subjects{}.Replay(events.Original{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: m.Sequence, StoredAt: m.StoredAt,
	}, fmt.Sprint("run-", len(c.broker.messages)))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.stored(again.Subject, again.Header, again.Data)
}

// explained is what a worker says beforehand about a replay.
func (c *cell) explained(p *process, m *message) api.Explanation {
	c.t.Helper()
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	q, err := replay.Question(e, events.FirstStored(m.Header, m.StoredAt))
	if err != nil {
		c.t.Fatal(err)
	}
	a, _, err := events.Subjects{}.ParseIn(m.Subject)
	if err != nil {
		c.t.Fatal(err)
	}
	got, err := p.h.Explain(context.Background(), a, q)
	if err != nil {
		c.t.Fatal(err)
	}
	if got.Sentence == "" {
		c.t.Errorf("nothing says %q to people", got.Reason)
	}
	return got
}

// happens delivers a replay and requires that the worker says what it explained.
func (c *cell) happens(p *process, m *message, want api.Explanation) {
	c.t.Helper()
	before := len(c.logged.told)
	if t := p.take(m); t != nil {
		t.end()
	}
	if len(c.logged.told) == before {
		c.t.Fatalf("the worker does not say what it did with message %d", m.Sequence)
	}
	said := c.logged.told[before]
	if !strings.Contains(said, fmt.Sprintf("verdict=%s reason=%s ", want.Verdict, want.Reason)) {
		c.t.Errorf("explained: %s, %s; what happened: %s", want.Verdict, want.Reason, said)
	}
}

// TestAReplayDoesWhatWasExplained replays random histories: first a part of the past as
// it was left in the middle, with the next thing that is due, then all of it, twice, when
// everything has come to rest. Each time the worker does what it had explained; and at
// rest that is nothing (G8).
func TestAReplayDoesWhatWasExplained(t *testing.T) {
	first, n := seedsOf(60)
	seen := map[string]int{}
	for seed := first; seed < first+n; seed++ {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replayHistory(t, seed, seen) })
		}) {
			return
		}
	}
	t.Logf("explained and done: %v", seen)
	for _, verdict := range []api.Verdict{api.Nothing, api.Acts, api.Refused} {
		if n > 10 && seen[string(verdict)] == 0 {
			t.Errorf("nothing was %s", verdict)
		}
	}
}

func replayHistory(t *testing.T, seed uint64, seen map[string]int) {
	r := &consentRun{cell: newCell(t, cellKeys), random: rand.New(rand.NewPCG(seed, 8))}
	r.sparse = true
	r.setUp()
	r.sim.faults = 0
	for range 3 {
		for range 60 + r.random.IntN(60) {
			r.choose()
		}
		r.comeToRest()
		r.somethingNew(seen)
	}
	r.comeToRest()
	past := r.past()
	links, presented := r.all(), r.op.posts
	for range 2 {
		for _, m := range past {
			r.tries(r.replayed(m), seen, true)
		}
	}
	if r.op.posts != presented {
		t.Errorf("a replay made %d provider calls", r.op.posts-presented)
	}
	if now := r.all(); !reflect.DeepEqual(now, links) {
		t.Errorf("a replay changed links:\n%+v\n%+v", links, now)
	}
}

// past are the inputs so far, but for mistakes.
func (r *consentRun) past() (all []*message) {
	for _, m := range r.broker.messages {
		if m.Stream == "REGRANT_IN" && !slices.Contains(r.mistakes, m) {
			all = append(all, m)
		}
	}
	return all
}

// somethingNew is an input of now that comes as a replay: some of them are due.
func (r *consentRun) somethingNew(seen map[string]int) {
	l := r.anyLink()
	var m *message
	switch r.random.IntN(6) {
	case 0:
		m = r.refused(l.Address, max(1, l.Generation))
	case 1:
		m = r.decides(l.Address, max(1, l.Consented), events.DecisionReject)
	case 2:
		m = r.input(events.LogoutRequested{Address: l.Address, Scope: events.LogoutLink})
	case 3:
		m = r.refused(l.Address, l.Generation+3)
	case 4:
		m = r.begins(l.User, l.Link).as(r.anyLogin())
	default:
		m = r.input(events.ReconsentCompleted{Address: l.Address, State: "unheard-of", Code: "code"})
	}
	m.acked = true // only its replay arrives
	if len(r.trips) > 0 && r.trips[len(r.trips)-1].input == m {
		last := len(r.trips) - 1
		r.trips, r.apart = r.trips[:last], append(r.apart, r.trips[last]) // who came back was none
	}
	r.tries(r.replayed(m), seen, false)
	r.comeToRest()
}

// tries explains a replay, and lets it happen.
func (r *consentRun) tries(m *message, seen map[string]int, idle bool) {
	r.t.Helper()
	p := r.sim.pick()
	want := r.explained(p, m)
	seen[string(want.Verdict)]++
	seen[string(want.Verdict)+"/"+want.Reason]++
	if idle && (want.Verdict == api.Acts || want.Calls) {
		r.t.Errorf("message %d of the past would act: %+v", m.Sequence, want)
	}
	r.happens(p, m, want)
	if m.last.Kind == inbox.KindLater && want.Verdict != api.Waits && want.Verdict != api.Acts {
		r.t.Errorf("%+v, and it was put back", want)
	}
}

// TestExplainChangesNothing: not even what a process has watched.
func TestExplainChangesNothing(t *testing.T) {
	inCell(t, func(c *cell) {
		a := c.imports("ann", "A", c.op.login("one"))
		w1, w2 := c.worker("w1"), c.worker("w2")
		report := c.refused(a, 1)
		slow := w1.take(report).until("present:before")
		again := c.replayed(report)
		was := c.record(a)
		if got := c.explained(w2, again); got.Verdict != api.Waits || got.Reason != "attempt_under_way" {
			t.Errorf("%+v", got)
		}
		c.sleep(2 * c.budget.Patience) // not watched: asking is no watching
		if got := c.explained(w2, again); got.Verdict != api.Waits {
			t.Errorf("asking began to watch: %+v", got)
		}
		if now := c.record(a); !reflect.DeepEqual(now, was) {
			t.Errorf("%+v\n%+v", was, now)
		}
		slow.end()
		c.rest(w1, w2)
	})
}

// A report that named a generation which came only later was a mistake, and remains one.
// Whatever the clock says of who made that generation.
func TestAnEarlyReportIsNotReplayedOnALaterGeneration(t *testing.T) {
	for _, skew := range []time.Duration{0, -time.Hour, time.Hour} {
		t.Run(skew.String(), func(t *testing.T) { replaysEarlyReport(t, skew) })
	}
}

func replaysEarlyReport(t *testing.T, skew time.Duration) {
	inCell(t, func(c *cell) {
		a := c.imports("ann", "A", c.op.login("one"))
		w := c.late("w", skew)
		early := c.refused(a, 2)
		w.take(early).end()
		c.wantDead(early, "future_generation")
		c.sleep(time.Minute)
		w.take(c.refused(a, 1)).end()
		c.wantLinkOf(a, links.Active, 2, 1)
		c.sleep(time.Minute)
		wantDone(t, w.take(c.replayed(early)).end())
		c.wantLinkOf(a, links.Active, 2, 1)
		if c.t.Failed() {
			return // a report of generation 2 would be stale
		}
		c.sleep(time.Minute)
		w.take(c.refused(a, 2)).end() // one that is made now is believed
		c.wantLinkOf(a, links.Active, 3, 1)
	})
}

// A replay may be judged to have been heard already: it does not carry the duty of a
// report that is made now.
func TestALiveReportDoesNotCollapseIntoAReplay(t *testing.T) {
	inCell(t, func(c *cell) {
		a := c.imports("ann", "A", c.op.login("one"))
		w := c.worker("w")
		early := c.refused(a, 2)
		w.take(early).end()
		c.wantDead(early, "future_generation")
		c.sleep(time.Minute)
		w.take(c.refused(a, 1)).end()
		c.sleep(time.Minute)
		replay := w.take(c.replayed(early)).until("acquire")
		live := w.take(c.refused(a, 2))
		if live == nil {
			t.Fatal("a report was acked because a replay is under way")
		}
		wantDone(t, replay.end())
		wantDone(t, live.end())
		c.wantLinkOf(a, links.Active, 3, 1)
	})
}

// And a decision that named a consent before anybody was asked to decide on it.
func TestAnEarlyDecisionIsNotReplayedOnALaterHold(t *testing.T) {
	holding(t, func(h waiting) {
		guess := h.decides(h.a, h.hold.Consent+1, events.DecisionApprove)
		wantDone(t, h.w1.take(guess).end())
		h.sleep(time.Minute)
		newer := h.begins("ann", "A")
		h.w1.take(newer.as(h.other)).end()
		if l := h.record(h.a); !l.Holds(h.hold.Consent + 1) {
			t.Fatalf("%+v", l.Hold)
		}
		h.sleep(time.Minute)
		wantDone(t, h.w1.take(h.replayed(guess)).end())
		if l := h.record(h.a); !l.Holds(h.hold.Consent+1) || l.Status != links.Active {
			t.Errorf("%s, %+v", l.Status, l.Hold)
		}
	})
}

// A replay says when its original was stored, so that also one that comes within
// minutes ends nothing that was consented to since; and what a user's logout asks of the
// user's other links is no younger.
func TestAReplayedLogoutIsAsOldAsItsOriginal(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a, b := c.imports("ann", "A", who), c.imports("ann", "B", c.op.login("two"))
		w := c.worker("w")
		logout := c.input(events.LogoutRequested{Address: a, Scope: events.LogoutUser})
		w.take(logout).end()
		c.rest(w)
		c.wantLinkOf(b, links.Revoked, 1, 1)
		back, there := c.begins("ann", "A"), c.begins("ann", "B")
		w.take(back.as(who)).end()
		w.take(there.as(c.op.login("two"))).end()
		wantDone(t, w.take(c.replayed(logout)).end())
		c.rest(w)
		c.wantLinkOf(a, links.Active, 2, 2)
		c.wantLinkOf(b, links.Active, 2, 2)
	})
}
