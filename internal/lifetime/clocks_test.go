package lifetime

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// R1: which token is the bearer and which clock governs it is the provider's. The
// other clocks of each system are set to say something else.
func TestR01BearerAndItsClock(t *testing.T) {
	for name, c := range map[string]struct {
		life   time.Duration
		id     bool
		change func(*System)
		bend   func(map[string]any)
	}{
		"akoya":        {life: 6 * time.Hour, id: true, change: func(s *System) { s.Behaviour.IDTTL = 6 * time.Hour }},
		"astra":        {life: 2 * time.Hour},
		"sdk":          {life: 15 * time.Minute, bend: func(f map[string]any) { f["expires_in"] = 3600 }},
		"wso2":         {life: time.Hour},
		"nextidentity": {life: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Named(t, name)
			if c.change != nil {
				c.change(&s)
			}
			Run(t, Options{Systems: map[string]System{name: s}, Bend: c.bend}, func(t *testing.T, w *World) {
				a := w.User("anna").Consent(Trip{Provider: name, As: "anna-1"})
				l := w.Link(a)
				if life := l.ExpiresAt.Sub(l.IssuedAt); (life - c.life).Abs() > time.Second {
					t.Errorf("the bearer lives %s, want %s", life, c.life)
				}
				served, err := w.Token(a, 1, 0)
				tokens, err2 := w.Tokens(l)
				if err != nil || err2 != nil {
					t.Fatal(err, err2)
				}
				if is := served.Bearer == tokens.ID.Reveal(); is != c.id {
					t.Errorf("the ID token is served: %t, want %t", is, c.id)
				}
				w.Pass(c.life - 2*time.Second)
				if got := w.Get(name, served.Bearer); got != 200 {
					t.Errorf("before its end the bearer gets %d", got)
				}
				w.Pass(2 * time.Second)
				if got := w.Get(name, served.Bearer); got != 401 {
					t.Errorf("at its end the bearer gets %d", got)
				}
			})
		})
	}
}

// R8: the refresh credential is renewed before its end, jittered, though nobody uses
// the link: astra weekly of its ten days, sdk by day five of seven.
func TestR08KeepAlive(t *testing.T) {
	for name, by := range map[string]time.Duration{"astra": 7 * Day, "sdk": 5 * Day} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at(t, name, func(t *testing.T, w *World, a events.Address) {
				other := w.User("bert").Consent(Trip{Provider: name, As: "bert-1"})
				w.Pass(60 * Day)
				for _, a := range []events.Address{a, other} {
					if l := w.Link(a); l.Status != links.Active {
						t.Errorf("link %s is %s", a.Link, l.Status)
					}
					checkGaps(t, w, a, by)
				}
				if first, second := w.Told(a)[1].At, w.Told(other)[1].At; first.Equal(second) {
					t.Error("two links were renewed at the same moment: no jitter")
				}
			})
		})
	}
}

// checkGaps holds the pauses between a link's renewals against the age that they
// are to have.
func checkGaps(t *testing.T, w *World, a events.Address, by time.Duration) {
	t.Helper()
	all := w.Told(a, events.NameLinkCreated, events.NameTokenRotated)
	for i := 1; i < len(all); i++ {
		if age := all[i].At.Sub(all[i-1].At); age > by || age < by*8/10 {
			t.Errorf("renewal %d after %.2f days, want by day %.0f", i, days(age), days(by))
		}
	}
	if want := int(60 * Day / by); len(all)-1 < want {
		t.Errorf("%d renewals in 60 days, want %d", len(all)-1, want)
	}
}

// R9: once the refresh credential has expired it is not presented; the user is asked
// once, and then there is silence, however much the link is used, until a reconsent.
func TestR09ExpiredRefreshCredential(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		ends := w.Link(a).RefreshExpiresAt
		w.Pass(time.Until(ends) + time.Minute)
		s := w.Service(a)
		for range 20 {
			s.Call()
			w.Pass(Day)
		}
		wantRefreshes(t, w, a, 0)
		over := w.Told(a, events.NameConsentRequired)
		if len(over) != 1 || Read[events.ConsentRequired](w, over[0]).Reason != links.ReasonRefreshExpired || !near(over[0].At, ends) {
			t.Errorf("said %q, and to consent again %d times", w.Names(a), len(over))
		}
		w.User("anna").Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1"})
		mustCall(t, s)
		if l := w.Link(a); l.Status != links.Active || l.Consent != 2 {
			t.Errorf("after the reconsent the link is %s, consent %d", l.Status, l.Consent)
		}
	}, doomed)
}

// R16: the user is asked on the configured days before the first clock ends; a
// refresh that winds the clock up, and a reconsent, silence what was to be said.
func TestR16PromptsOnTheirDays(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		began := time.Now()
		s := w.Service(a)
		w.Pass(20 * Day)
		mustCall(t, s) // the clock ends on day 50 now, and not on day 30
		w.Pass(24 * Day)
		wantPrompts(t, w, a, began, 43)
		w.User("anna").Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1"}) // day 44: until day 74
		w.Pass(31 * Day)
		wantPrompts(t, w, a, began, 43, 67, 73)
		if said := Newest[events.ConsentExpiring](w, a); said.Nickname != "Joint account" || said.Clock != events.ClockRefresh {
			t.Errorf("the prompt says %+v", said)
		}
		over := w.Told(a, events.NameConsentRequired)
		if len(over) != 1 || !near(over[0].At, began.Add(74*Day)) {
			t.Errorf("the end was said %d times", len(over))
		}
	}, idle(30*Day, 0), doomed)
}

func wantPrompts(t *testing.T, w *World, a events.Address, began time.Time, onDays ...int) {
	t.Helper()
	said := w.Told(a, events.NameConsentExpiring)
	if len(said) != len(onDays) {
		t.Fatalf("%d prompts so far, want those of days %v", len(said), onDays)
	}
	for i, day := range onDays {
		if !near(said[i].At, began.Add(time.Duration(day)*Day)) {
			t.Errorf("prompt %d on day %.4f, want %d", i+1, days(said[i].At.Sub(began)), day)
		}
	}
}

// R29: a code once, an ID token of 14 days, an access token of an hour, a browser
// session of 14 days: the end of one is never taken for that of another.
func TestR29ClocksOfASignInService(t *testing.T) {
	t.Run("nextidentity", func(t *testing.T) {
		at(t, "nextidentity", func(t *testing.T, w *World, a events.Address) {
			s := w.Service(a)
			mustCall(t, s)
			expire(w, a)
			mustCall(t, s) // the ID token lives for 13 days more, and the bearer does not
			wantRefreshes(t, w, a, 1)
			w.Pass(15 * Day) // the first ID token, the session and many bearers have ended
			wantNames(t, w, a, events.NameLinkCreated, events.NameTokenRotated)
			mustCall(t, s)
			wantRefreshes(t, w, a, 2)
			w.Pass(20 * Day)
			if l := w.Link(a); l.Status != links.Active {
				t.Errorf("the link is %s", l.Status)
			}
		})
	})
	// The session answers for whoever was there, for 14 days and no longer.
	t.Run("session", func(t *testing.T) {
		s := Named(t, "nextidentity")
		Run(t, Options{Systems: map[string]System{"nextidentity": s}}, func(t *testing.T, w *World) {
			anna := w.User("anna")
			first := anna.Consent(Trip{Provider: "nextidentity", As: "anna-1"})
			w.Pass(13 * Day)
			anna.Consent(Trip{Provider: "nextidentity", Link: first, As: "not asked"})
			if got := Newest[events.TokenRotated](w, first); got.Comparison != events.ComparisonSame {
				t.Errorf("on day 13 another login: %s", got.Comparison)
			}
			w.Pass(2 * Day)
			second := anna.Consent(Trip{Provider: "nextidentity", As: "anna-2"})
			if a, b := w.Link(first).Subject, w.Link(second).Subject; a == b || b == "" {
				t.Error("on day 15 the session still answered")
			}
			if n := codes(w, "nextidentity"); n != 3 {
				t.Errorf("%d codes presented, want 3", n)
			}
			for _, seen := range w.Ledger(providertest.Filter{Kind: providertest.KindCode}) {
				if seen.Outcome != providertest.OK {
					t.Errorf("a code was %s", seen.Outcome)
				}
			}
		})
	})
}
