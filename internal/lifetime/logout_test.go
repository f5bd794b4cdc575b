package lifetime

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// R21: a logout revokes at the provider, clears, says so once, and is the end: of
// what is reported later nothing comes.
func TestR21Logout(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		s := w.Service(a)
		mustCall(t, s)
		bearer := s.Held().Bearer
		for range 3 {
			w.Report(events.LogoutRequested{Address: a, Scope: events.LogoutLink})
			w.Pass(time.Minute)
		}
		if got := Newest[events.LinkRevoked](w, a); !got.AtProvider {
			t.Error("not revoked at the provider")
		}
		if got := w.Get(a.Provider, bearer); got != 401 {
			t.Errorf("the bearer gets %d after the logout", got)
		}
		for range 30 {
			s.Call()
			w.Report(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})
			w.Pass(Day)
		}
		wantNames(t, w, a, events.NameLinkCreated, events.NameLinkRevoked)
		wantRefreshes(t, w, a, 0)
		if l := w.Link(a); l.Status != links.Revoked || len(l.Sealed) > 0 {
			t.Errorf("the link is %s and keeps %d sealed bytes", l.Status, len(l.Sealed))
		}
	})
	t.Run("user", func(t *testing.T) {
		both := map[string]System{"astra": Named(t, "astra"), "nextidentity": Named(t, "nextidentity")}
		Run(t, Options{Systems: both}, func(t *testing.T, w *World) {
			anna := w.User("anna")
			one := anna.Consent(Trip{Provider: "astra", As: "anna-1"})
			other := anna.Consent(Trip{Provider: "nextidentity", As: "anna-2"})
			berts := w.User("bert").Consent(Trip{Provider: "astra", As: "bert-1"})
			w.Report(events.LogoutRequested{Address: one, Scope: events.LogoutUser})
			w.Pass(time.Minute)
			for a, want := range map[events.Address]links.Status{one: links.Revoked, other: links.Revoked, berts: links.Active} {
				if got := w.Link(a).Status; got != want {
					t.Errorf("%s is %s, want %s", a, got, want)
				}
			}
		})
	})
}

// R22: nothing that a provider issued is in a record, an event or a log, whatever
// went well or wrong.
func TestR22TokensStayInside(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		anna, s := w.User("anna"), w.Service(a)
		for range 10 {
			s.Call()
			w.Pass(Day)
		}
		anna.Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1", Options: accounts("a-1")})
		anna.Consent(Trip{Provider: a.Provider, Link: a, As: "anna-2", Prompt: "login", Options: accounts("a-2")})
		w.Sim.RevokeAtSite(a.Provider, "anna-1")
		s.Call()
		w.Report(events.LogoutRequested{Address: a, Scope: events.LogoutUser})
		w.Pass(time.Minute)
		if issued := len(w.Sim.Issued()); issued < 10 {
			t.Fatalf("only %d secrets to look for", issued)
		}
		for _, leak := range w.Leaks("anna-1", "anna-2") {
			t.Error(leak)
		}
	})
}
