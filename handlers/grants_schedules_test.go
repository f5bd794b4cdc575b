package handlers_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// inVault runs a test with a provider of several grants that lets one bearer live
// at a time.
func inVault(t *testing.T, chain []providers.Grant, test func(v *vault)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		profile := providers.Profile{ClientID: "client", Rotation: "always", Replay: rules["forbidden"], Grants: chain, RenewMargin: 2 * time.Hour}
		v := newVault(worldOf(t, profile, func(line *handlers.ImportLine) {
			if chain[0] == providers.GrantAPIKey {
				line.APIKey, line.Refresh = secret.New(canary+"-key"), secret.Value{}
			}
		}))
		v.single, v.session = true, loggedIn
		test(v)
	})
}

var (
	tokenThenPassword = []providers.Grant{providers.GrantRefreshToken, providers.GrantPassword}
	passwordAlone     = []providers.Grant{providers.GrantPassword}
)

// settled lets a report be handled to its end by a process, through waits.
func (p *process) settled(m *message) {
	for !m.acked {
		if m.free(time.Now()) {
			p.take(m).end()
		} else {
			p.w.sleep(time.Until(m.notBefore))
		}
	}
}

// R18: the answer to the refresh token comes when the password has brought a newer
// bearer, whether the provider saw it before or after.
func TestALateAnswerDoesNotTakeThePlaceOfTheSessionsBearer(t *testing.T) {
	for _, point := range []string{"answer", "socket"} {
		inVault(t, tokenThenPassword, func(v *vault) {
			a, b, m := v.process("a"), v.process("b"), v.report(1)
			slow := a.take(m).until(point)
			b.take(m).end()
			v.sleep(v.budget.Patience)
			wantDone(t, b.take(m).end())
			v.wantLink(links.Active, 2)
			served := v.tokens().Access
			slow.end()
			v.wantLink(links.Active, 2)
			if !v.tokens().Access.Equal(served) || v.lives(0) != (point == "answer") {
				t.Errorf("seen at the %s: served is the password's: %v, it lives: %v", point, v.tokens().Access.Equal(served), v.lives(0))
			}
			b.settled(v.use())
			v.wantLink(links.Active, 3)
			v.wantEvents("token-rotated", "token-rotated")
			if !v.lives(0) {
				t.Errorf("seen at the %s: one report later the bearer is dead", point)
			}
		})
	}
}

// R18: the owner was asked ahead of need, in vain, and is not called for while the
// bearer lives; a 401 soon after calls for credentials, not for a consent.
func TestAnAbsentOwnerIsCalledForWhenTheBearerDies(t *testing.T) {
	inVault(t, passwordAlone, func(v *vault) {
		v.session = nil
		a := v.process("a")
		a.settled(v.use())
		v.wantLink(links.Active, 1)
		v.wantEvents()
		v.wantArmed()
		clear(v.until)
		v.sleep(3 * time.Second)
		a.settled(v.use())
		v.wantLink(links.ConsentRequired, 1)
		v.wantEvents("credentials-required")
		v.session = loggedIn
		v.sleep(time.Minute)
		a.settled(v.use())
		v.wantLink(links.Active, 2)
		v.wantEvents("credentials-required", "token-rotated", "link-recovered")
	})
}

// The session was back, its answer is lost, and the session is gone again: whoever
// was called for is not called for once more, and is not forgotten.
func TestASessionThatIsGoneAgainIsNotCalledForTwice(t *testing.T) {
	inVault(t, passwordAlone, func(v *vault) {
		v.session = nil
		clear(v.until)
		a := v.process("a")
		a.settled(v.use())
		v.wantEvents("credentials-required")
		v.sleep(time.Minute)
		v.session, v.provider.answers = loggedIn, []providers.Class{providers.Ambiguous}
		a.take(v.use()).until("answer")
		v.session = nil
		v.rest(a)
		v.wantLink(links.ConsentRequired, 1)
		v.wantEvents("credentials-required")
	})
}

// R20: a link that was imported with a key alone.
func TestALinkLivesByItsKey(t *testing.T) {
	inVault(t, []providers.Grant{providers.GrantAPIKey, providers.GrantRefreshToken}, func(v *vault) {
		v.bare = true
		a := v.process("a")
		for generation := range uint64(3) {
			v.sleep(time.Hour)
			a.settled(v.use())
			v.wantLink(links.Active, generation+2)
		}
		if n := len(v.provider.others); n != 3 || v.provider.presentations != 0 {
			t.Errorf("the key was presented %d times, and %d refresh tokens", n, v.provider.presentations)
		}
	})
}

// R23: all grants of many links are called dead for a while. Nobody is called for, and
// afterwards what cannot be spent is presented again.
func TestASpikeOfDeadGrantsCostsNobodyAPrompt(t *testing.T) {
	inVault(t, tokenThenPassword, func(v *vault) {
		v.lies, v.spiking = true, true
		clear(v.until)
		a := v.process("a")
		a.settled(v.use())
		v.wantLink(links.Uncertain, 1)
		v.wantEvents()
		v.wantArmed()
		v.lies, v.spiking = false, false
		v.rest(a)
		v.wantLink(links.Active, 2)
		v.wantEvents("token-rotated")
		v.wantPresentations(1)
	})
}

// R23: the verdict on the last grant of a link waits while so many die.
func TestADeadGrantAmongManyIsNotBelievedAtOnce(t *testing.T) {
	inVault(t, tokenThenPassword[:1], func(v *vault) {
		v.refuses[providers.GrantRefreshToken], v.spiking = true, true
		clear(v.until)
		a := v.process("a")
		a.settled(v.use())
		v.wantLink(links.Uncertain, 1)
		v.wantEvents()
		v.spiking = false
		v.rest(a)
		v.wantLink(links.ConsentRequired, 1)
		v.wantEvents("consent-required")
		v.wantPresentations(1)
	})
}

// A pass is asked for before anything is intended: no link of a suspended app is left
// with a presentation that was never made.
func TestNothingIsIntendedWhileTheAppIsSuspended(t *testing.T) {
	inVault(t, tokenThenPassword, func(v *vault) {
		v.provider.answers = []providers.Class{providers.OurFault}
		a := v.process("a")
		clear(v.until)
		wantDone(t, a.take(v.use()).end())
		v.wantEvents("app-suspended")
		v.sleep(time.Until(v.link().Due))
		writes := len(v.store.older)
		v.broker.fire()
		if verdict := a.take(v.broker.messages[len(v.broker.messages)-1]).end(); verdict.Kind != inbox.KindLater {
			t.Errorf("verdict %v, want later", verdict)
		}
		v.wantLink(links.Active, 1)
		if n := len(v.store.older) - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// Where a user has one token at a provider, all of the user's links take one lock;
// the user's name is not in it.
func TestLinksThatShareATokenShareALock(t *testing.T) {
	for by, shared := range map[providers.LockBy]bool{providers.LockByLink: false, providers.LockByUser: true} {
		in(t, "forbidden", func(w *world) {
			w.rules.LockBy = by
			a := w.process("a")
			wantDone(t, a.take(w.report(1)).end())
			if own := w.locked == theLink.String(); own == shared {
				t.Errorf("by %s: locked %q", by, w.locked)
			}
			want := theLink
			want.Link = "user:" + w.keys.User(theLink.Tenant, "user")
			if shared && w.locked != want.String() {
				t.Errorf("locked %q, want %q", w.locked, want)
			}
		})
	}
}

// The bearer has ended by the server's clock, which fired the timer, and has not by
// the worker's.
func TestASlowClockDoesNotSendALinkWithoutCredentialsInCircles(t *testing.T) {
	inVault(t, passwordAlone, func(v *vault) {
		v.session = nil
		a := v.skewed("a", -20*time.Second)
		a.settled(v.use())
		v.sleep(time.Until(v.link().Due))
		v.broker.fire()
		wantDone(t, a.take(v.broker.messages[len(v.broker.messages)-1]).end())
		v.wantLink(links.ConsentRequired, 1)
		v.wantEvents("credentials-required")
	})
}
