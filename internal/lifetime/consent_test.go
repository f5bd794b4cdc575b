package lifetime

import (
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// R10: a reconsent by the same login goes on; one by another is held, replaces the
// link or stands beside it, and says which accounts are out of reach.
func TestR10SubjectsAreCompared(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy providers.Policy // empty: the profile's
		event  events.Name
		status links.Status
	}{
		{"akoya", "", events.NameLinkReplacementHeld, links.Active},
		{"astra", "", events.NameLinkReplaced, links.Replaced},
		{"sdk", "", events.NameLinkReplaced, links.Replaced},
		{"wso2", "", events.NameLinkReplaced, links.Replaced},
		{"nextidentity", "", events.NameLinkReplaced, links.Replaced},
		{"nextidentity", providers.PolicyHold, events.NameLinkReplacementHeld, links.Active},
		{"astra", providers.PolicyKeepBoth, events.NameTokenRotated, links.Active},
	} {
		t.Run(c.name+string(c.policy), func(t *testing.T) {
			t.Parallel()
			system := Named(t, c.name)
			if c.policy != "" {
				system.Profile.OnDifferentLogin = c.policy
			}
			Run(t, Options{Systems: map[string]System{c.name: system}}, func(t *testing.T, w *World) {
				anna := w.User("anna")
				a := anna.Consent(Trip{Provider: c.name, As: "anna-1", Options: accounts("a-1", "a-2")})
				anna.Consent(Trip{Provider: c.name, Link: a, As: "anna-1", Prompt: "login"})
				if got := Newest[events.TokenRotated](w, a); got.Comparison != events.ComparisonSame {
					t.Errorf("the same login is %s", got.Comparison)
				}
				anna.Consent(Trip{Provider: c.name, Link: a, As: "anna-2", Prompt: "login", Options: accounts("a-2", "a-3")})
				names := w.Names(a)
				if last := names[len(names)-1]; last != c.event || w.Link(a).Status != c.status {
					t.Fatalf("said %q, and the link is %s", names, w.Link(a).Status)
				}
				checkReach(t, w, a, c.event)
			})
		})
	}
}

// checkReach: the event about another login names the accounts that are lost with it.
func checkReach(t *testing.T, w *World, a events.Address, name events.Name) {
	t.Helper()
	var gained, lost []string
	switch name {
	case events.NameLinkReplaced:
		e := Newest[events.LinkReplaced](w, a)
		gained, lost = e.AccountsGained, e.AccountsLost
		if w.Link(e.Replacement).Status != links.Active || e.Reason != events.ReplacedDifferentLogin {
			t.Errorf("replaced for %s by a link that is %s", e.Reason, w.Link(e.Replacement).Status)
		}
	case events.NameLinkReplacementHeld:
		e := Newest[events.LinkReplacementHeld](w, a)
		gained, lost = e.AccountsGained, e.AccountsLost
		checkDecision(t, w, a, e)
	default: // both are kept
		return
	}
	if !slices.Equal(gained, []string{"a-3"}) || !slices.Equal(lost, []string{"a-1"}) {
		t.Errorf("accounts gained %v, lost %v", gained, lost)
	}
}

// checkDecision: the held link goes on until somebody decides.
func checkDecision(t *testing.T, w *World, a events.Address, held events.LinkReplacementHeld) {
	t.Helper()
	s := w.Service(a)
	w.Pass(3 * Day)
	mustCall(t, s)
	w.Report(events.LinkReplacementDecided{Address: a, Consent: held.Consent, Decision: events.DecisionApprove})
	w.Pass(time.Second)
	replaced := Newest[events.LinkReplaced](w, a)
	if w.Link(a).Status != links.Replaced || w.Link(replaced.Replacement).Status != links.Active {
		t.Errorf("after the decision the link is %s, and %s took its place", w.Link(a).Status, w.Link(replaced.Replacement).Status)
	}
}

// R11: one sub at two providers is two logins, and a registration that was changed
// does not make another login of one.
func TestR11SubCountsWithinItsRegistration(t *testing.T) {
	t.Run("providers", func(t *testing.T) {
		both := map[string]System{"astra": Named(t, "astra"), "nextidentity": Named(t, "nextidentity")}
		Run(t, Options{Systems: both}, func(t *testing.T, w *World) {
			first := w.User("anna").Consent(Trip{Provider: "astra", As: "same-sub"})
			second := w.User("bert").Consent(Trip{Provider: "nextidentity", As: "same-sub"})
			wantNames(t, w, first, events.NameLinkCreated)
			wantNames(t, w, second, events.NameLinkCreated)
			if a, b := w.Link(first), w.Link(second); a.Subject == b.Subject || a.Status != links.Active || b.Status != links.Active {
				t.Errorf("one login of two providers: %s, %s", a.Status, b.Status)
			}
		})
	})
	t.Run("client_id", func(t *testing.T) {
		old, moved := Named(t, "astra"), Named(t, "astra", func(s *System) { s.Behaviour.OmitIss = true })
		Run(t, Options{Systems: map[string]System{"astra": old, "moved": moved}}, func(t *testing.T, w *World) {
			anna := w.User("anna")
			a := anna.Consent(Trip{Provider: "astra", As: "anna-1"})
			issuer, next := w.Profile("astra").Issuer, w.Profile("moved")
			next.Issuer = issuer // the same server, and a new registration at it
			w.Reprofile("astra", func(p *providers.Profile) { *p = next })
			w.StopAll()
			w.Start(0)
			w.Sim.Login("moved", "anna-1")
			anna.Consent(Trip{Provider: "astra", Link: a, As: "anna-1"})
			got := Newest[events.TokenRotated](w, a)
			if got.Comparison != events.ComparisonUnknown || w.Link(a).Status != links.Active || w.Link(a).Consent != 2 {
				t.Errorf("under a new client_id the login is %s, and the link %s", got.Comparison, w.Link(a).Status)
			}
			s := w.Service(a)
			if len(w.Told(a, events.NameLinkReplaced)) > 0 || s.Held().Generation != 0 {
				t.Errorf("said %q", w.Names(a))
			}
		})
	})
}

// R12: who links another user's login takes it: the first link is dead from now on,
// both owners learn of it by link ids alone, nothing is refreshed or revoked.
func TestR12LoginOfAnotherUser(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, first events.Address) {
		second := w.User("bert").Consent(Trip{Provider: first.Provider, As: "anna-1", Prompt: "login"})
		if l := w.Link(first); l.Status != links.Superseded {
			t.Fatalf("the first link is %s", l.Status)
		}
		lost, won := Newest[events.LinkReplaced](w, first), Newest[events.LinkCreated](w, second)
		if lost.Reason != events.ReplacedOtherOwner || lost.Replacement != second || lost.ReplacementSubjectHMAC != "" {
			t.Errorf("the first owner is told %+v", lost)
		}
		if won.Supersedes == nil || *won.Supersedes != first {
			t.Errorf("the new owner is told %+v", won)
		}
		s, theirs := w.Service(first), w.Service(second)
		for range 30 {
			w.Report(events.TokenExpired{Address: first, Generation: 1, Reason: events.ReasonUnauthorized})
			mustCall(t, theirs)
			w.Pass(Day)
		}
		if s.Call() {
			t.Error("the superseded link is served")
		}
		wantNames(t, w, first, events.NameLinkCreated, events.NameLinkReplaced)
		if n := w.Sim.Revoked(); n > 0 {
			t.Errorf("%d grants were revoked", n)
		}
	})
}

// R13: the same login by the same user is the link that is there.
func TestR13SameLoginOfTheSameUser(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		anna := w.User("anna")
		anna.Consent(Trip{Provider: a.Provider, As: "anna-1", Prompt: "login"})
		l := w.Link(a)
		if l.Status != links.Active || l.Generation != 2 || l.Consent != 2 {
			t.Errorf("the link is %s, generation %d, consent %d", l.Status, l.Generation, l.Consent)
		}
		listed, err := w.Workers()[0].H.List(t.Context(), Tenant, api.List{User: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range listed.Links {
			if l.Address != a && (l.Status != string(links.Replaced) || l.Successor == nil || *l.Successor != a) {
				t.Errorf("beside the link there is %+v", l)
			}
		}
		mustCall(t, w.Service(a))
	})
}

// R14: many links at many banks that share one registration, each with a nickname
// and a lifetime of its own; a prompt says which login it is about.
func TestR14ManyLinksOfAUser(t *testing.T) {
	north := Named(t, "akoya", idle(20*Day, 0), func(s *System) { s.Profile.App = "south" })
	south := Named(t, "akoya", idle(40*Day, 0))
	Run(t, Options{Systems: map[string]System{"north": north, "south": south}}, func(t *testing.T, w *World) {
		anna := w.User("anna")
		began := time.Now()
		ends := map[events.Address]time.Duration{}
		names := map[events.Address]string{}
		for _, l := range []struct {
			bank, login, nickname string
			life                  time.Duration
		}{
			{"north", "anna-1", "Household", 20 * Day},
			{"north", "anna-2", "Savings", 20 * Day},
			{"south", "anna-1", "Pension", 40 * Day},
		} {
			a := anna.Consent(Trip{Provider: l.bank, As: l.login, Nickname: l.nickname, Prompt: "login", Options: accounts(l.login + "-" + l.bank)})
			ends[a], names[a] = l.life, l.nickname
		}
		w.Pass(60 * Day)
		for a, life := range ends {
			if l := w.Link(a); l.Nickname != names[a] || len(l.Accounts) != 1 || l.Subject == "" {
				t.Errorf("link %s: nickname %q, accounts %v", a, l.Nickname, l.Accounts)
			}
			said := w.Told(a, events.NameConsentExpiring)
			if len(said) != 2 || !near(said[0].At, began.Add(life-7*Day)) || !near(said[1].At, began.Add(life-Day)) {
				t.Errorf("link %s at %s: %d prompts", names[a], a.Provider, len(said))
				continue
			}
			for _, told := range said {
				if got := Read[events.ConsentExpiring](w, told).Nickname; got != names[a] {
					t.Errorf("a prompt for %q calls it %q", names[a], got)
				}
			}
			if got := Newest[events.ConsentRequired](w, a).Nickname; got != names[a] {
				t.Errorf("the end of %q calls it %q", names[a], got)
			}
		}
	})
}

// R15: after each reconsent accounts are read again, and what came and went is said,
// scopes included. Less than before is a difference and not an error.
func TestR15WhatAReconsentChanged(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		anna := w.User("anna")
		for _, c := range []struct {
			scope                                            string
			accounts, gained, lost, scopesGained, scopesLost []string
		}{
			{"openid accounts payments", []string{"a-1", "a-2"}, []string{"a-1", "a-2"}, nil, []string{"openid", "accounts", "payments"}, nil},
			{"openid accounts", []string{"a-2", "a-3"}, []string{"a-3"}, []string{"a-1"}, nil, []string{"payments"}},
			{"openid accounts", []string{"a-2"}, nil, []string{"a-3"}, nil, nil},
		} {
			w.Pass(10 * Day)
			anna.Consent(Trip{
				Provider: a.Provider, Link: a, As: "anna-1", Prompt: "login",
				Options: []providertest.ConsentOption{providertest.WithScope(c.scope), providertest.WithAccounts(c.accounts...)},
			})
			got := Newest[events.TokenRotated](w, a)
			if !slices.Equal(got.AccountsGained, c.gained) || !slices.Equal(got.AccountsLost, c.lost) {
				t.Errorf("accounts gained %v, lost %v, want %v and %v", got.AccountsGained, got.AccountsLost, c.gained, c.lost)
			}
			if !slices.Equal(got.ScopesGained, c.scopesGained) || !slices.Equal(got.ScopesLost, c.scopesLost) {
				t.Errorf("scopes gained %v, lost %v, want %v and %v", got.ScopesGained, got.ScopesLost, c.scopesGained, c.scopesLost)
			}
			if l := w.Link(a); !slices.Equal(l.Accounts, c.accounts) || l.Status != links.Active {
				t.Errorf("the link is %s with accounts %v", l.Status, l.Accounts)
			}
		}
	})
}

// R24: a browser that is logged in answers for whoever sits there, so the comparison
// runs also when nobody was asked anything; prompt and login_hint reach the provider;
// HS256 ID tokens are verified; custom claims are kept and their changes reported.
func TestR24SilentReconsent(t *testing.T) {
	hs256 := func(s *System) { s.Behaviour.Alg = "HS256" }
	t.Run("nextidentity", func(t *testing.T) {
		at(t, "nextidentity", func(t *testing.T, w *World, a events.Address) {
			kiosk := w.User("anna") // another browser, in which bert is logged in
			kiosk.Consent(Trip{Provider: a.Provider, As: "bert-1"})
			kiosk.Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1"})
			if l := w.Link(a); l.Status != links.Replaced {
				t.Fatalf("bert's session passed for anna's login: the link is %s", l.Status)
			}
			b := kiosk.Consent(Trip{Provider: a.Provider, As: "anna-1", Prompt: "login"})
			c := kiosk.Consent(Trip{Provider: a.Provider, LoginHint: "anna-3", Prompt: "login"})
			if w.Link(b).Subject == w.Link(c).Subject || w.Link(c).Status != links.Active {
				t.Error("the login hint was not passed on")
			}
		}, hs256)
	})
	t.Run("claims", func(t *testing.T) {
		at(t, "nextidentity", func(t *testing.T, w *World, a events.Address) {
			anna := w.User("anna")
			for _, tier := range []string{"silver", "silver", "gold"} {
				anna.Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1", Prompt: "login", Options: []providertest.ConsentOption{
					providertest.WithClaims(map[string]any{"tier": tier, "region": "north"}),
				}})
				w.Pass(Day)
			}
			told := w.Told(a, events.NameTokenRotated)
			same, other := Read[events.TokenRotated](w, told[1]).ClaimsChanged, Read[events.TokenRotated](w, told[2]).ClaimsChanged
			if len(same) > 0 || !slices.Equal(other, []string{"tier"}) {
				t.Errorf("claims changed: %v, then %v", same, other)
			}
			tokens, err := w.Tokens(w.Link(a))
			if err != nil || string(tokens.Claims["tier"]) != `"gold"` {
				t.Errorf("kept claims: %s, %v", tokens.Claims["tier"], err)
			}
		}, hs256)
	})
}

// R25: a callback that is reported again, at once or weeks later, never presents its
// code again.
func TestR25CodesAreOneTime(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		back, _ := w.User("anna").Travel(Trip{Provider: a.Provider, Link: a, As: "anna-1"})
		w.Report(back)
		for _, after := range []time.Duration{0, time.Minute, Day, 20 * Day} {
			w.Pass(after)
			w.Report(back)
		}
		w.Pass(time.Minute)
		if n := codes(w, a.Provider); n != 2 {
			t.Errorf("%d codes presented, want one for each of two consents", n)
		}
		if l := w.Link(a); l.Consent != 2 || l.Status != links.Active {
			t.Errorf("the link is %s, consent %d", l.Status, l.Consent)
		}
	})
}

// R26: two logins are one customer, or two, or nobody can tell; no more is said.
func TestR26SameCustomer(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		want                events.SameCustomer
	}{
		{"same", "c-1", "c-1", events.CustomerSame},
		{"other", "c-1", "c-2", events.CustomerOther},
		{"unknown", "", "c-2", events.CustomerUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			Run(t, Options{Systems: map[string]System{"astra": Named(t, "astra")}}, func(t *testing.T, w *World) {
				anna := w.User("anna")
				a := anna.Consent(Trip{Provider: "astra", As: "anna-1", Options: customer(c.first)})
				anna.Consent(Trip{Provider: "astra", Link: a, As: "anna-2", Options: customer(c.second)})
				if got := Newest[events.LinkReplaced](w, a); got.SameCustomer != c.want {
					t.Errorf("same_customer: %s, want %s", got.SameCustomer, c.want)
				}
			})
		})
	}
}

func customer(id string) []providertest.ConsentOption {
	if id == "" {
		return nil
	}
	return []providertest.ConsentOption{providertest.WithCustomer(id)}
}

// R27: the record of a link says what was granted when, by which event, with which
// scopes and accounts, and until when.
func TestR27ConsentRecords(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		began := time.Now()
		anna := w.User("anna")
		for n := range 3 {
			w.Pass(20 * Day)
			anna.Consent(Trip{
				Provider: a.Provider, Link: a, As: "anna-1", Prompt: "login",
				Options: []providertest.ConsentOption{providertest.WithScope("openid"), providertest.WithAccounts("a-1", "a-2", "a-3"[:n+1])},
			})
		}
		records := w.Link(a).Consents
		if len(records) != 4 {
			t.Fatalf("%d consent records, want 4", len(records))
		}
		for n, c := range records {
			if c.Number != uint64(n+1) || !near(c.At, began.Add(time.Duration(n)*20*Day)) || c.Event == "" || c.Flow == "" {
				t.Errorf("record %d: %+v", n+1, c)
			}
			if n > 0 && (len(c.Accounts) != 3 || !slices.Equal(c.Scopes, []string{"openid"})) {
				t.Errorf("record %d: accounts %v, scopes %v", n+1, c.Accounts, c.Scopes)
			}
		}
	})
}
