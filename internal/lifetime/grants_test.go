package lifetime

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

const password = "correct-horse-battery"

// R18: a dead refresh token costs the user nothing while the session lives whose
// owner knows the password; without one its owner is called for, once. The password
// is nowhere, and after a logout nobody asks for it.
func TestR18PasswordFromTheSession(t *testing.T) {
	t.Run("wso2", func(t *testing.T) {
		at(t, "wso2", func(t *testing.T, w *World, a events.Address) {
			anna, s := w.User("anna"), w.Service(a)
			anna.SignIn(a.Provider, "anna-1", password)
			for range 3 {
				w.Pass(21 * Day) // the refresh token has died of age
				mustCall(t, s)
			}
			if said := w.Told(a, events.NameConsentRequired, events.NameCredentialsRequired, events.NameConsentExpiring); len(said) > 0 {
				t.Errorf("the user was bothered: %q", w.Names(a))
			}
			anna.SignOut()
			w.Pass(21 * Day)
			for range 10 {
				s.Call()
				w.Pass(Day)
			}
			if said := w.Told(a, events.NameCredentialsRequired); len(said) != 1 || len(w.Told(a, events.NameConsentRequired)) > 0 {
				t.Errorf("said %q", w.Names(a))
			}
			anna.SignIn(a.Provider, "anna-1", password)
			mustCall(t, s)
			w.Report(events.LogoutRequested{Address: a, Scope: events.LogoutLink})
			w.Pass(time.Minute)
			asked := w.Asked()
			for range 5 {
				s.Call()
				w.Pass(Day)
			}
			if w.Asked() != asked {
				t.Error("asked for the password after the logout")
			}
			if leaks := w.Leaks(password); len(leaks) > 0 {
				t.Error(leaks)
			}
		}, func(s *System) { s.Profile.KeepAlive = 0 })
	})
}

// R19: another client that goes on killing the token is noticed and left alone for a
// while, with one alarm.
func TestR19TwoClientsKillEachOther(t *testing.T) {
	t.Run("wso2", func(t *testing.T) {
		at(t, "wso2", func(t *testing.T, w *World, a events.Address) {
			s, began := w.Service(a), time.Now()
			mustCall(t, s)
			for time.Since(began) < 5*time.Hour {
				w.Pass(time.Minute)
				w.Sim.ForeignLogin(a.Provider, "anna-1")
				s.Call()
			}
			rejected := w.Told(a, events.NameTokenRejected)
			if len(rejected) == 0 {
				t.Fatalf("nobody noticed; %d refreshes in five hours", w.Refreshes(a.Provider))
			}
			if got := Read[events.TokenRejected](w, rejected[0]); got.Reason != links.RejectedForeign || got.Count < 4 {
				t.Errorf("the alarm says %+v", got)
			}
			// At most four in the minutes before each alarm, none in the ten after it.
			if n := w.Refreshes(a.Provider); len(rejected) > 30 || n > 4*(len(rejected)+1) {
				t.Errorf("%d refreshes and %d alarms in five hours", n, len(rejected))
			}
			w.Pass(30 * time.Minute)
			mustCall(t, s)
		})
	})
}

// R20: refresh token, then API key, and only then the user.
func TestR20ChainOfGrants(t *testing.T) {
	t.Run("sdk", func(t *testing.T) {
		s := Named(t, "sdk")
		Run(t, Options{Systems: map[string]System{"sdk": s}}, func(t *testing.T, w *World) {
			key := w.Sim.IssueAPIKey("sdk", "anna-1")
			first := w.Sim.Issue("sdk", "anna-1")
			a := w.Import("anna", "L1", first, key)
			s := w.Service(a)
			mustCall(t, s)
			w.Sim.KillGrant(first.Family)
			mustCall(t, s) // the key
			if n := keysShown(w); n != 1 {
				t.Errorf("the key was presented %d times", n)
			}
			w.Pass(30 * Day) // the refresh token that the key brought is kept alive
			mustCall(t, s)
			if n := keysShown(w); n != 1 {
				t.Errorf("the key was presented %d times, with a refresh token at hand", n)
			}
			if len(w.Told(a, events.NameConsentRequired)) > 0 {
				t.Errorf("the user was bothered: %q", w.Names(a))
			}
			w.Sim.RevokeAPIKey("sdk", key)
			w.Sim.RevokeAtSite("sdk", "anna-1")
			if s.Call() {
				t.Error("nothing was left to present, and it helped")
			}
			if said := w.Told(a, events.NameConsentRequired); len(said) != 1 {
				t.Errorf("said %q", w.Names(a))
			}
			w.User("anna").Consent(Trip{Provider: "sdk", Link: a, As: "anna-1"})
			mustCall(t, s)
		})
	})
}

func keysShown(w *World) int {
	return len(w.Ledger(providertest.Filter{Provider: "sdk", Kind: providertest.KindAPIKey}))
}

// R23: how often, and with what result, credentials are presented is counted; fresh
// tokens that are refused over and over are an event. Spikes of dead grants are
// shown where apps are.
func TestR23PatternsAreWatched(t *testing.T) {
	for _, name := range []string{"akoya", "sdk", "nextidentity"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewPedanticRegistry()
			o := Options{Systems: map[string]System{name: Named(t, name)}, Configure: func(c *handlers.Config) { c.Metrics = handlers.NewMetrics(registry) }}
			Run(t, o, func(t *testing.T, w *World) {
				anna := w.User("anna")
				a := anna.Consent(Trip{Provider: name, As: "anna-1"})
				for range 4 { // an API that accepts nothing
					w.Report(events.TokenExpired{Address: a, Generation: w.Link(a).Generation, Reason: events.ReasonUnauthorized})
					w.Pass(time.Minute)
				}
				if said := w.Told(a, events.NameTokenRejected); len(said) != 1 || Read[events.TokenRejected](w, said[0]).Reason != links.RejectedFresh {
					t.Errorf("said %q", w.Names(a))
				}
				before := counted(t, registry, "regrant_presentations_total", "ok")
				if want := float64(w.Refreshes(name)); before != want || want != 3 {
					t.Errorf("%v presentations counted, %v made, want 3", before, want)
				}
				w.Pass(Day)
				w.Sim.RevokeAtSite(name, "anna-1")
				w.Report(events.TokenExpired{Address: a, Generation: w.Link(a).Generation, Reason: events.ReasonUnauthorized})
				w.Pass(time.Minute)
				if n := counted(t, registry, "regrant_presentations_total", "grant_dead"); n != 1 {
					t.Errorf("%v dead grants counted", n)
				}
			})
		})
	}
}

// counted is a counter's value by its label class.
func counted(t *testing.T, from prometheus.Gatherer, name, class string) (sum float64) {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if family.GetName() == name && label.GetName() == "class" && label.GetValue() == class {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}
