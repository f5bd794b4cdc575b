package links_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

func guarded(single bool) links.Rules {
	r := rules
	r.FreshWindow, r.SingleActive, r.MinInterval = 10*time.Minute, single, 0
	return r
}

// cycle refreshes a link whose bearer was refused, and returns what was decided.
func cycle(t *testing.T, l links.Link, r links.Rules, when time.Time) (links.Link, links.Action) {
	t.Helper()
	v := view(r, links.Closed)
	v.Now = when
	report := links.Trigger{Generation: l.Generation, Reason: events.ReasonUnauthorized}
	d := l.Decide(report, v)
	if d.Action != links.Begin {
		return l.Seen(report), d.Action
	}
	l = l.Begin(links.Attempt{ID: when.String(), At: when, Grant: d.Grant}, true, r)
	c := links.Claim{Attempt: when.String(), Consent: l.Consent, Generation: l.Generation}
	return l.Commit(c, grantFor(l.Generation+1, when), events.CauseRefresh, origin, when, r, 0.5), d.Action
}

// R19, R23: refused as soon as they are issued.
func TestRefreshingStopsWhereFreshTokensAreRefused(t *testing.T) {
	for single, limit := range map[bool]int{false: 3, true: 4} {
		r, l, when := guarded(single), active(), now
		var did links.Action
		l, _ = cycle(t, l, r, when) // an old bearer, refused late: no matter
		for n := 1; n <= limit; n++ {
			when = when.Add(time.Minute)
			if l, did = cycle(t, l, r, when); (did == links.Reject) != (n == limit) {
				t.Fatalf("single active %v: refusal %d: %v", single, n, did)
			}
		}
		v := view(r, links.Closed)
		v.Now = when
		told := len(l.Outbox)
		l = l.Reject(v, origin)
		e := event[events.TokenRejected](t, l, told)
		if want := map[bool]string{false: links.RejectedFresh, true: links.RejectedForeign}[single]; e.Reason != want || e.Count != uint64(limit) || e.Window != 600 {
			t.Errorf("told %+v", e)
		}
		if _, did = cycle(t, l, r, when.Add(time.Minute)); did == links.Begin || did == links.Reject {
			t.Errorf("a report soon after: %v", did)
		}
		v.Now = when.Add(10 * time.Minute)
		if d := l.Decide(timer, v); d.Action != links.Begin {
			t.Errorf("after the pause: %v (%s)", d.Action, d.Reason)
		}
	}
}

func TestRefusalsThatAreNoLoopDoNotStopALink(t *testing.T) {
	for name, c := range map[string]struct {
		pause time.Duration
		life  time.Duration
	}{
		"far apart":                       {11 * time.Minute, time.Hour},
		"short bearers that were used up": {2 * time.Minute, time.Minute},
	} {
		r, l, when := guarded(false), active(), now
		for range 20 {
			var did links.Action
			if l, did = cycle(t, l, r, when); did != links.Begin {
				t.Fatalf("%s: %v", name, did)
			}
			l.ExpiresAt = when.Add(c.life)
			when = when.Add(c.pause)
		}
		if len(l.FreshRefusals) > 3 {
			t.Errorf("%s: %d refusals are kept", name, len(l.FreshRefusals))
		}
	}
}

// An answer that was cut short makes a generation without a bearer. Who reports it refused
// has counted ahead.
func TestAGenerationWithoutABearerIsNoRefusedOne(t *testing.T) {
	r, l := guarded(false), active()
	l.IssuedAt, l.FreshRefusals = now.Add(-time.Minute), []time.Time{now.Add(-3 * time.Minute), now.Add(-2 * time.Minute)}
	if _, did := cycle(t, l, r, now); did != links.Reject {
		t.Fatalf("the third bearer that is refused: %v", did)
	}
	l.Fingerprint = ""
	next, did := cycle(t, l, r, now)
	if did != links.Begin || len(next.FreshRefusals) != 2 {
		t.Errorf("without a bearer: %v, and %d were refused", did, len(next.FreshRefusals))
	}
}

func TestARefusedBearerCountsAlsoWhereAKeptAnswerReplacesIt(t *testing.T) {
	l := active()
	l.IssuedAt, l.Refused = now.Add(-time.Minute), true
	next := l.Promote(links.Kept{Attempt: "a", Consent: 2, Generation: 5}, links.Grant{Refreshable: true, Sealed: []byte("s")}, origin, now, guarded(false), 0)
	if n := len(next.FreshRefusals); n != 1 {
		t.Errorf("%d refusals are kept", n)
	}
}

// R23: so many grants die at once that nobody is asked to consent: the verdict
// waits, and where that harms nobody the credential is presented again.
func TestAVerdictIsHeldWhileManyGrantsDie(t *testing.T) {
	for replay, then := range map[links.Replay]links.Action{links.Safe: links.Repeat, links.Forbidden: links.GiveUp} {
		r := with(replay)
		l := refreshing("a").HoldVerdict("a", links.ReasonGrantDead, now, r, 0.5)
		if l.Status != links.Uncertain || len(l.Outbox) != 0 || len(l.Attempts) != 0 {
			t.Fatalf("held, the link is %s, says %d things, lists %v", l.Status, len(l.Outbox), l.Attempts)
		}
		v := view(r, links.Closed)
		marked := l.Mark(v, origin)
		if marked.Status != links.Uncertain {
			t.Errorf("a 401 condemned it: %s", marked.Status)
		}
		v.Now, v.Held = l.Due, true
		if d := l.Decide(timer, v); d.Action != links.Defer {
			t.Errorf("while they go on dying: %v", d.Action)
		}
		v.Held = false
		if d := l.Decide(timer, v); d.Action != then {
			t.Errorf("afterwards, replay %v: %v", replay, d.Action)
		}
		if judged := l.GiveUp(v, origin); judged.Status != links.ConsentRequired || event[events.ConsentRequired](t, judged, 0).Reason != links.ReasonGrantDead {
			t.Errorf("the verdict is %s", judged.Status)
		}
	}
}

// R19: the longer it goes on, the longer the pauses, and the fewer the alarms; a
// bearer that lives ends that.
func TestPausesGrowWhileFreshTokensAreRefused(t *testing.T) {
	r, l, when := guarded(false), active(), now
	stopped := func() time.Duration {
		t.Helper()
		for range 4 {
			var did links.Action
			when = when.Add(time.Minute)
			if l, did = cycle(t, l, r, when); did == links.Reject {
				v := view(r, links.Closed)
				v.Now = when
				l = l.Reject(v, origin)
				pause := l.Due.Sub(when)
				when = l.Due
				return pause
			}
		}
		t.Fatal("refreshing was not stopped")
		return 0
	}
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 640} {
		if got := stopped(); got != want*time.Minute {
			t.Fatalf("paused for %s, want %d minutes", got, want)
		}
	}
	when = when.Add(time.Minute)
	l, _ = cycle(t, l, r, when) // after the pause
	when = when.Add(2 * time.Hour)
	l, _ = cycle(t, l, r, when) // its bearer lived
	if got := stopped(); got != 10*time.Minute {
		t.Errorf("after a bearer that lived, paused for %s", got)
	}
}
