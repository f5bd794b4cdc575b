package lifetime

import (
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// A provider that says something odd of a bearer's life is neither believed blindly
// nor asked all the time, whether bearers are renewed ahead or on demand.
func TestOddLivesOfBearers(t *testing.T) {
	const century = 100 * 365 * 24 * 3600
	for _, said := range []any{nil, 0, -1, -1e18, 1, "3600", "soon", century, century * 10, 1e300, true} {
		for _, renewAt := range []float64{0, 0.8} {
			t.Run(fmt.Sprint(said, "/", renewAt), func(t *testing.T) {
				t.Parallel()
				s := Named(t, "astra", func(s *System) { s.Profile.RenewAt = renewAt; s.Profile.MinInterval = time.Hour })
				o := Options{Systems: map[string]System{"astra": s}, Bend: func(f map[string]any) {
					if delete(f, "expires_in"); said != nil {
						f["expires_in"] = said
					}
				}}
				Run(t, o, func(t *testing.T, w *World) {
					a := w.User("anna").Consent(Trip{Provider: "astra", As: "anna-1"})
					w.Pass(20 * Day)
					if n := w.Refreshes("astra"); n < 2 || n > 20*24 {
						t.Errorf("%d refreshes in 20 days", n)
					}
					mustCall(t, w.Service(a))
					if l := w.Link(a); l.Status != links.Active || len(w.Told(a, events.NameConsentRequired)) > 0 {
						t.Errorf("the link is %s: %q", l.Status, w.Names(a))
					}
					t.Logf("%d refreshes in 20 days", w.Refreshes("astra"))
				})
			})
		}
	}
}

// Odd lives of refresh tokens: no link is condemned that lives, and none is kept
// alive every second.
func TestOddLivesOfRefreshTokens(t *testing.T) {
	const century = 100 * 365 * 24 * 3600
	for _, said := range []any{0, -1, 1, "soon", century, century * 10, 1e300} {
		t.Run(fmt.Sprint(said), func(t *testing.T) {
			t.Parallel()
			s := Named(t, "astra", func(s *System) { s.Profile.MinInterval = time.Hour })
			o := Options{Systems: map[string]System{"astra": s}, Bend: func(f map[string]any) { f["refresh_token_expires_in"] = said }}
			Run(t, o, func(t *testing.T, w *World) {
				a := w.User("anna").Consent(Trip{Provider: "astra", As: "anna-1"})
				w.Pass(20 * Day)
				l := w.Link(a)
				t.Logf("%d refreshes in 20 days, the link is %s: %q", w.Refreshes("astra"), l.Status, w.Names(a))
				if n := w.Refreshes("astra"); n > 20*24 {
					t.Errorf("%d refreshes in 20 days", n)
				}
				if said == 1 { // it is what the provider says: over before anybody can use it
					return
				}
				mustCall(t, w.Service(a))
				if l.Status != links.Active {
					t.Errorf("the link is %s", l.Status)
				}
			})
		})
	}
}

// Workers whose clocks are wrong by ten minutes, either way, refresh no more and no
// less than others, and lose nothing.
func TestWorkersWithWrongClocks(t *testing.T) {
	for _, name := range five {
		for _, skews := range [][]time.Duration{{10 * time.Minute}, {-10 * time.Minute}, {-10 * time.Minute, 10 * time.Minute, 0}} {
			t.Run(fmt.Sprint(name, skews), func(t *testing.T) {
				t.Parallel()
				Run(t, Options{Brief: true, Systems: map[string]System{name: Named(t, name, systems[name], quick)}}, func(t *testing.T, w *World) {
					w.StopAll()
					for _, skew := range skews {
						w.Start(skew)
					}
					p := w.Populate(name, Share{5, Unused}, Share{1, Daily}, Share{1, Parts})
					w.Pass(60 * Day)
					p.End()
					a := p.Audit()
					t.Log(a)
					if len(a.Dead) > 0 || a.Failed > 0 || a.Unanswered > 0 || a.Refused > 0 || a.ForExpiry != a.Expiries {
						t.Errorf("dead: %v", a.Dead)
					}
					if a.Surplus > len(p.Members) { // ages that two clocks measured: not one of each link in sixty days
						t.Errorf("%d refreshes too many", a.Surplus)
					}
				})
			})
		}
	}
}

// After three days without any worker, what became due meanwhile is done: once each.
func TestOutageOfThreeDays(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		s := w.Service(a)
		p := w.Populate(a.Provider, Share{30, Unused}, Share{5, Daily})
		w.Pass(5 * Day)
		w.StopAll()
		w.Pass(3 * Day)
		before := w.Refreshes(a.Provider)
		w.Start(0)
		w.Start(0)
		w.Pass(time.Minute)
		if after := w.Refreshes(a.Provider); after > before+len(p.Members)+1 {
			t.Errorf("%d refreshes of %d links after the outage", after-before, len(p.Members)+1)
		}
		if n := w.Unsettled(); n > 0 {
			t.Errorf("%d messages are not settled", n)
		}
		p.End()
		for _, m := range p.Members {
			if l := w.Link(m.Address); l.Status != links.Active {
				t.Errorf("a link that was %s is %s", m.Name, l.Status)
			}
		}
		mustCall(t, s)
	})
}

// Timers that were lost, all of them, are armed again by the next full scan.
func TestLostTimers(t *testing.T) {
	each(t, []string{"astra", "sdk"}, func(t *testing.T, w *World, a events.Address) {
		w.Pass(Day)
		w.LoseTimers()
		w.Pass(30 * Day)
		if l := w.Link(a); l.Status != links.Active || w.Refreshes(a.Provider) < 3 {
			t.Errorf("the link is %s after %d refreshes", l.Status, w.Refreshes(a.Provider))
		}
	})
}

// What was to be said during an outage is said after it, unless it is too late for
// it to be true.
func TestPromptsAfterAnOutage(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		w.Pass(22 * Day)
		w.StopAll()
		w.Pass(3 * Day) // the first prompt was due on day 23
		w.Start(0)
		w.Pass(time.Minute)
		if n := len(w.Told(a, events.NameConsentExpiring)); n != 1 {
			t.Errorf("%d prompts after the outage, want 1", n)
		}
		w.StopAll()
		w.Pass(10 * Day) // the last prompt, and the end
		w.Start(0)
		w.Pass(time.Minute)
		if n := len(w.Told(a, events.NameConsentExpiring)); n != 1 {
			t.Errorf("%d prompts of a link that had ended, want none more", n-1)
		}
		if n := len(w.Told(a, events.NameConsentRequired)); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
	}, idle(30*Day, 0), doomed, func(s *System) { s.Profile.PromptBefore = []time.Duration{7 * Day, Day} })
}
