package providertest

import (
	"testing"
	"time"
)

// mustWait expects 429 with this Retry-After.
func (b *bench) mustWait(token, seconds string) {
	b.t.Helper()
	if a := b.refresh(token); a.status != 429 || a.header.Get("Retry-After") != seconds {
		b.t.Fatalf("answered %d, Retry-After %q, want 429 and %q", a.status, a.header.Get("Retry-After"), seconds)
	}
}

func TestARateIsKeptInEveryWindowAndCostsNoToken(t *testing.T) {
	b := start(t, Behaviour{Rate: Rate{Limit: 2, Window: time.Minute}})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(40*time.Second + time.Millisecond)
	third := b.mustRefresh(second.body.Refresh)
	b.mustWait(third.body.Refresh, "20")
	b.clock.Add(20 * time.Second) // a new minute by the clock, not since the first
	fourth := b.mustRefresh(third.body.Refresh)
	b.mustWait(fourth.body.Refresh, "40")
	b.mustWait(fourth.body.Refresh, "40") // who is turned away is not counted
	b.clock.Add(40 * time.Second)
	fifth := b.mustRefresh(fourth.body.Refresh)
	b.mustWait(fifth.body.Refresh, "20")
	b.outcomes(OK, OK, Throttled, OK, Throttled, Throttled, OK, Throttled)
}

func TestThrottleHoldsUntilItsEnd(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	b.Throttle("op", b.clock.Now().Add(time.Minute))
	b.mustWait(g.RefreshToken, "60")
	b.clock.Add(59*time.Second + time.Millisecond)
	b.mustWait(g.RefreshToken, "1")
	b.clock.Add(time.Second)
	b.Throttle("op", b.clock.Now().Add(time.Hour))
	b.Throttle("op", time.Time{})
	b.mustRefresh(g.RefreshToken)
	b.outcomes(Throttled, Throttled, OK)
}

func TestA429ComesBeforeEverything(t *testing.T) {
	b := start(t, Behaviour{ErrorsAre200: true, OKField: true, Rate: Rate{Limit: 1, Window: time.Minute}})
	g := b.Issue("op", "alice")
	b.refresh("unheard-of") // counts too
	b.mustWait(g.RefreshToken, "60")
	b.outcomes(Refused, Throttled)
}
