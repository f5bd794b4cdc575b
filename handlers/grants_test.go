package handlers_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

func chained(t *testing.T, chain []providers.Grant, test func(w *world)) {
	in(t, "forbidden", func(w *world) {
		w.rules.Grants = chain
		test(w)
	})
}

func loggedIn() (credentials.Credential, error) {
	return credentials.Credential{Username: secret.New(canary + "-name"), Password: secret.New(canary + "-password")}, nil
}

// anotherLogin is a session that began anew, with a password of its own: one that the
// provider refused is not presented again for a while.
func anotherLogin() func() (credentials.Credential, error) {

	password := secret.New(fmt.Sprintf("%s-password-%d", canary, logins.Add(1)))
	return func() (credentials.Credential, error) {
		return credentials.Credential{Username: secret.New(canary + "-name"), Password: password}, nil
	}
}

var logins atomic.Int64

// R20: the user is not bothered while another grant of the chain is good.
func TestADeadRefreshTokenIsReplacedByTheNextGrant(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantRefreshToken, providers.GrantClientCredentials}, func(w *world) {
		a := w.process("a")
		w.provider.answers = []providers.Class{providers.GrantDead}
		wantDone(t, a.take(w.report(1)).end())
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
		w.wantPresentations(1)
		w.wantArmed()
	})
}

// The process dies between the verdict on one grant and the next: the timer, or the
// message, carries the duty.
func TestAFallBackIsCutAtEachPoint(t *testing.T) {
	for _, point := range []string{"verdict:before", "verdict:after", "intent:before", "intent:after", "socket"} {
		chained(t, []providers.Grant{providers.GrantRefreshToken, providers.GrantClientCredentials}, func(w *world) {
			a, b, m := w.process("a"), w.process("b"), w.report(1)
			w.provider.answers = []providers.Class{providers.GrantDead}
			cut := a.take(m)
			if point != "verdict:before" && point != "verdict:after" {
				cut.until("verdict:after")
			}
			cut.until(point)
			a.crash()
			w.sleep(2 * w.budget.Recovery)
			w.rest(b)
			if l := w.link(); l.Generation < 2 && l.Status != links.Uncertain && l.Status != links.ConsentRequired {
				t.Errorf("cut at %s: %s at generation %d", point, l.Status, l.Generation)
			}
		})
	}
}

// An answer that was lost may have spent the refresh token; it is not shown again,
// and the password beside it brings the link back with no prompt (R18).
func TestALostAnswerIsMadeUpForByTheSession(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantRefreshToken, providers.GrantPassword}, func(w *world) {
		w.session = loggedIn
		a := w.process("a")
		w.provider.answers = []providers.Class{providers.Ambiguous}
		wantDone(t, a.take(w.report(1)).end())
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
		w.wantPresentations(1)
		if n := len(w.provider.others); n != 1 {
			t.Errorf("the password was shown %d times", n)
		}
	})
}

// R18: nobody answers for the session: it is said once, nothing is presented, and
// the first report after the session is back brings the link back.
func TestASessionThatIsGoneIsCalledForOnce(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantPassword}, func(w *world) {
		a := w.process("a")
		for range 5 {
			wantDone(t, a.take(w.report(1)).end())
			w.sleep(time.Minute)
		}
		w.wantLink(links.ConsentRequired, 1)
		w.wantEvents("credentials-required")
		w.wantPresentations(0)
		w.session = loggedIn
		wantDone(t, a.take(w.report(1)).end())
		w.wantLink(links.Active, 2)
		w.wantEvents("credentials-required", "token-rotated", "link-recovered")
	})
}

// R18: that the bus was away says nothing about the session. Nobody is called for.
func TestAnAskThatWasNotCarriedIsRepeated(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantPassword}, func(w *world) {
		a, m := w.process("a"), w.report(1)
		w.session = func() (credentials.Credential, error) { return credentials.Credential{}, errAway }
		if v := a.take(m).end(); v.Kind != inbox.KindLater {
			t.Errorf("verdict %v, want later", v)
		}
		w.wantLink(links.Active, 1)
		w.wantEvents()
		w.wantPresentations(0)
		w.session = loggedIn
		wantDone(t, a.take(m).end())
		w.wantLink(links.Active, 2)
		w.wantEvents("token-rotated")
	})
}

// A storm on a link whose session is gone asks its owner once.
func TestAStormDoesNotAskAnAbsentOwnerForEachReport(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantPassword}, func(w *world) {
		asked := 0
		w.session = func() (credentials.Credential, error) {
			asked++
			return credentials.Credential{}, credentials.ErrRefused
		}
		a := w.process("a")
		for range 50 {
			wantDone(t, a.take(w.report(1)).end())
		}
		if asked != 1 {
			t.Errorf("the owner was asked %d times", asked)
		}
	})
}

// A refused password is not shown to the provider again, however many reports come:
// it would lock the account. Another one is, at once.
func TestARefusedPasswordIsShownOnce(t *testing.T) {
	chained(t, []providers.Grant{providers.GrantPassword}, func(w *world) {
		w.session = loggedIn
		a := w.process("a")
		w.provider.answers = []providers.Class{providers.GrantDead}
		for range 20 {
			wantDone(t, a.take(w.report(1)).end())
			w.sleep(time.Minute)
		}
		if n := len(w.provider.others); n != 1 {
			t.Errorf("a wrong password was shown %d times", n)
		}
		w.wantEvents("credentials-required")
		w.session = func() (credentials.Credential, error) {
			return credentials.Credential{Username: secret.New(canary + "-name"), Password: secret.New(canary + "-other")}, nil
		}
		wantDone(t, a.take(w.report(1)).end())
		w.wantLink(links.Active, 2)
	})
}
