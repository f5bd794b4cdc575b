package lifetime

import (
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// R2: however many services and workers there are, one refresh per expiry.
func TestR02OncePerExpiry(t *testing.T) {
	const expiries = 20
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		w.Start(0)
		w.Start(0)
		var services []*Service
		for range 10 {
			s := w.Service(a)
			s.Deaf = true
			services = append(services, s)
		}
		together(services)
		for range expiries {
			expire(w, a)
			together(services[:6])
			for _, late := range services[6:] { // too late for the broker to drop their reports
				w.Pass(40 * time.Second)
				late.Call()
			}
		}
		w.Pass(5 * time.Minute)
		wantRefreshes(t, w, a, expiries)
		for _, s := range services {
			if s.Failed > 0 {
				t.Errorf("a service got nowhere %d times", s.Failed)
			}
		}
	})
}

// together lets services use their link at the same moment.
func together(services []*Service) {
	var all sync.WaitGroup
	for _, s := range services {
		all.Go(func() { s.Call() })
	}
	all.Wait()
}

// R3: stale and duplicate reports make no provider call, however they name the
// bearer and however late they come.
func TestR03OnlyWhenNecessary(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		first, err := w.Token(a, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := w.Service(a)
		mustCall(t, s)
		expire(w, a)
		mustCall(t, s)
		wantRefreshes(t, w, a, 1)
		for range 3 {
			for _, reason := range []events.Reason{events.ReasonUnauthorized, events.ReasonExpired, events.ReasonExpiring} {
				w.Report(events.TokenExpired{Address: a, Generation: 1, Reason: reason})
				w.Report(events.TokenExpired{Address: a, Fingerprint: events.Fingerprint(first.Bearer), Reason: reason})
			}
			w.Report(events.TokenExpired{Address: a, Generation: 2, Reason: events.ReasonExpiring}) // it is not
			w.Pass(time.Minute)
		}
		wantRefreshes(t, w, a, 1)
		if n := w.Unsettled(); n > 0 {
			t.Errorf("%d reports are not settled", n)
		}
	})
}

// R4: where one token lives at a time a refresh kills what all others hold. They
// are told when the new one is saved, and before the report is acked.
func TestR04OneActiveToken(t *testing.T) {
	each(t, []string{"astra", "wso2"}, func(t *testing.T, w *World, a events.Address) {
		told := 0
		w.Watch(func(e Told) {
			if e.Name != events.NameTokenRotated {
				return
			}
			told++
			rotated := Read[events.TokenRotated](w, e)
			if rotated.PreviousStillValid {
				t.Error("previous_still_valid: true")
			}
			if saved := w.Link(a).Generation; saved != rotated.Generation {
				t.Errorf("generation %d is announced, and %d is saved", rotated.Generation, saved)
			}
			if w.Unsettled() == 0 {
				t.Error("announced after the report was acked")
			}
		})
		caller, listener := w.Service(a), w.Service(a)
		mustCall(t, caller)
		mustCall(t, listener)
		old := listener.Held().Bearer
		expire(w, a)
		mustCall(t, caller)
		if told != 1 {
			t.Fatalf("told %d times", told)
		}
		if got := w.Get(a.Provider, old); got != 401 {
			t.Errorf("the earlier bearer gets %d", got)
		}
		mustCall(t, listener)
		// Nobody was refused this time, and the earlier bearer had half a minute to live.
		mustCall(t, caller)
		old = listener.Held().Bearer
		w.Pass(time.Until(w.Link(a).ExpiresAt) - 30*time.Second)
		w.Report(events.TokenExpired{Address: a, Generation: 2, Reason: events.ReasonExpiring})
		w.Pass(time.Second)
		if got := w.Get(a.Provider, old); told != 2 || got != 401 {
			t.Errorf("told %d times, and the earlier bearer gets %d", told, got)
		}
		mustCall(t, listener)
		if listener.Refused > 0 {
			t.Error("the listener sent a bearer that it was told is dead")
		}
		wantRefreshes(t, w, a, 2)
	})
}

// R5: many bearers live beside each other, so that parts of a system are not
// disturbed by each other's refreshes. A reconsent ends all of them.
func TestR05ManyActiveTokens(t *testing.T) {
	each(t, []string{"akoya"}, func(t *testing.T, w *World, a events.Address) {
		one, other := w.Service(a), w.Service(a)
		mustCall(t, one)
		mustCall(t, other)
		w.Pass(time.Until(w.Link(a).ExpiresAt) - 30*time.Second)
		w.Report(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonExpiring})
		w.Pass(time.Second)
		if rotated := Newest[events.TokenRotated](w, a); !rotated.PreviousStillValid {
			t.Error("previous_still_valid: false")
		}
		mustCall(t, other)
		if held := other.Held().Generation; held != 1 || other.Refused > 0 {
			t.Errorf("the other part was disturbed: it holds generation %d", held)
		}
		before, err := w.Token(a, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.User("anna").Consent(Trip{Provider: a.Provider, Link: a, As: "anna-1"})
		for _, bearer := range []string{other.Held().Bearer, before.Bearer} {
			if bearer != "" && w.Get(a.Provider, bearer) != 401 {
				t.Error("an earlier bearer outlived the reconsent")
			}
		}
		if rotated := Newest[events.TokenRotated](w, a); rotated.PreviousStillValid {
			t.Error("after a reconsent previous_still_valid: true")
		}
		mustCall(t, other)
		wantRefreshes(t, w, a, 1)
	})
}

// R6: whether a refresh token was rotated is seen by comparing it. One that is left
// out is kept.
func TestR06RotationIsDetected(t *testing.T) {
	for answer, c := range map[string]struct {
		change func(*System)
		rotate bool
	}{
		"new":     {func(*System) {}, true},
		"same":    {func(s *System) { s.Behaviour.Rotation = providertest.None }, false},
		"omitted": {func(s *System) { s.Behaviour.Rotation, s.Behaviour.OmitRefreshToken = providertest.None, true }, false},
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			at(t, "nextidentity", func(t *testing.T, w *World, a events.Address) {
				s := w.Service(a)
				mustCall(t, s)
				for range 5 {
					was, err := w.Tokens(w.Link(a))
					expire(w, a)
					mustCall(t, s)
					is, err2 := w.Tokens(w.Link(a))
					if err != nil || err2 != nil {
						t.Fatal(err, err2)
					}
					if rotated := !is.Refresh.Equal(was.Refresh); rotated != c.rotate || is.Refresh.IsZero() {
						t.Errorf("rotated: %t, want %t", rotated, c.rotate)
					}
				}
				wantRefreshes(t, w, a, 5)
			}, c.change)
		})
	}
}

// R7: astra takes an old refresh token until it expires, so an answer that was lost
// is asked for again. Of nobody else that is known, and nobody is asked twice.
func TestR07LostAnswer(t *testing.T) {
	each(t, []string{"astra"}, func(t *testing.T, w *World, a events.Address) {
		s := w.Service(a)
		mustCall(t, s)
		expire(w, a)
		w.Sim.Script(a.Provider, providertest.Fault{When: providertest.After, Kind: providertest.Reset})
		mustCall(t, s)
		wantRefreshes(t, w, a, 2)
		wantNames(t, w, a, events.NameLinkCreated, events.NameTokenRotated)
	})
	each(t, []string{"akoya", "sdk", "wso2", "nextidentity"}, func(t *testing.T, w *World, a events.Address) {
		s := w.Service(a)
		mustCall(t, s)
		expire(w, a)
		w.Sim.Script(a.Provider, providertest.Fault{When: providertest.After, Kind: providertest.Reset})
		if s.Call() {
			t.Error("somebody presented the token again")
		}
		w.Pass(Day)
		wantRefreshes(t, w, a, 1)
		if said := Newest[events.ConsentRequired](w, a); said.Reason != links.ReasonOutcomeUnknown {
			t.Errorf("the reason is %s", said.Reason)
		}
	}, func(s *System) { s.Profile.Grants = nil })
}

// R17: a 401 that comes weeks late, with a generation long gone, is answered with
// the current bearer.
func TestR17LateUnauthorized(t *testing.T) {
	each(t, five, func(t *testing.T, w *World, a events.Address) {
		late, busy := w.Service(a), w.Service(a)
		late.Deaf = true
		mustCall(t, late)
		for range 25 {
			mustCall(t, busy)
			w.Pass(Day)
		}
		mustCall(t, busy) // so that the newest bearer lives
		before := w.Refreshes(a.Provider)
		w.StopAll()
		w.Start(0) // which remembers nothing of the link
		mustCall(t, late)
		w.Pass(5 * time.Minute)
		wantRefreshes(t, w, a, before)
		if late.Refused != 1 || len(late.Expiries) != 0 {
			t.Errorf("%d 401s, %d of them with the newest bearer", late.Refused, len(late.Expiries))
		}
	})
}
