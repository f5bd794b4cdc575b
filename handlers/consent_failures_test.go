package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// linked is ann's link A, and ann on her way to consent again.
func linked(t *testing.T, test func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process)) {
	t.Helper()
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		test(c, a, who, c.begins("ann", "A"), c.worker("w1"), c.worker("w2"))
	})
}

// givenUp lets w2 give up a code whose answer w1 is slow to take in.
func (c *cell) givenUp(back *trip, who *login, w1, w2 *process) (slow *task) {
	m := back.as(who)
	slow = w1.take(m).until("code answer")
	for back.flow().Status == consents.Presented {
		w2.take(m).end()
		c.sleep(c.budget.LockRenew)
	}
	back.wantFlow(consents.Failed, consents.ReasonOutcomeUnknown)
	return slow
}

func TestAnAnswerThatComesAfterItsFlowWasGivenUpApplies(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		slow := c.givenUp(back, who, w1, w2)
		c.wantLinkOf(a, links.Active, 1, 1)
		slow.end()
		c.rest(w1, w2)
		back.wantFlow(consents.Applied, "")
		c.wantLinkOf(a, links.Active, 2, 2)
		c.wantTold(a, "link-created", "consent-failed", "token-rotated", "link-recovered")
		c.judge()
	})
}

func TestAnAnswerThatComesAfterANewerConsentIsKept(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		slow := c.givenUp(back, who, w1, w2)
		newer := c.begins("ann", "A")
		w2.take(newer.as(who)).end()
		slow.end()
		c.rest(w1, w2)
		back.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		if len(back.flow().Tokens) == 0 {
			t.Error("good tokens were thrown away")
		}
		c.wantLinkOf(a, links.Active, 2, 2)
		newer.wantServed(a)
		c.judge()
	})
}

// The link had ended when it was to be replaced. That it was is not forgotten: an
// older consent whose answer comes late does not bring it back.
func TestALateAnswerBringsNoLinkBackThatWasReplacedSince(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		two := c.op.login("two")
		c.imports("ann", "M", two)
		w2.take(c.logsOut(a)).end()
		slow := c.givenUp(back, who, w1, w2)
		newer := c.begins("ann", "A")
		w2.take(newer.as(two)).end()
		slow.end()
		c.rest(w1, w2)
		back.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		c.wantLinkOf(a, links.Revoked, 1, 1)
		c.judge()
	})
}

// A worker that read the flow as failed closes its exchange after the late answer
// opened it again, and the keys to verify it are away.
func TestALateAnswerThatWaitsForItsKeysIsNotForgotten(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		m := back.as(who)
		slow := w1.take(m).until("code answer")
		var failing *task
		for back.flow().Status == consents.Presented {
			failing = w2.take(m)
			for !failing.done && back.flow().Status == consents.Presented {
				failing.advance()
			}
			c.sleep(c.budget.LockRenew)
		}
		failing.until("flow_depart:before")
		c.op.down = true
		slow.until("verify:after")
		failing.end()
		slow.end()
		c.rest(w1, w2)
		back.wantFlow(consents.Applied, "")
		c.wantLinkOf(a, links.Active, 2, 2)
		c.judge()
	})
}

// Whoever read the flow as failed must not close the exchange once the answer is
// there: the requested link's fate would be forgotten with it.
func TestALateAnswerStillReplacesTheLink(t *testing.T) {
	linked(t, func(c *cell, a events.Address, _ *login, back *trip, w1, w2 *process) {
		m := back.as(c.op.login("two"))
		slow := w1.take(m).until("code answer")
		var failing *task
		for back.flow().Status == consents.Presented {
			failing = w2.take(m)
			for !failing.done && back.flow().Status == consents.Presented {
				failing.advance()
			}
			c.sleep(c.budget.LockRenew)
		}
		slow.until("flow_answer:before")
		failing.until("flow_depart:before")
		slow.until("flow_look:before")
		failing.end()
		slow.end()
		c.rest(w1, w2)
		back.wantFlow(consents.Applied, "")
		c.wantLinkOf(a, links.Replaced, 1, 1)
		c.judge()
	})
}

func TestAConsentWaitsForTheKeysToVerifyIt(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		c.op.down = true
		wantDone(t, w1.take(back.as(who)).end())
		back.wantFlow(consents.Exchanged, "")
		if l := c.record(a); l.Exchange == nil || l.Alarm().IsZero() {
			t.Error("nothing looks at the flow again")
		}
		c.rest(w1, w2)
		back.wantFlow(consents.Applied, "")
		c.wantLinkOf(a, links.Active, 2, 2)
		c.judge()
	})
}

func TestAConsentThatCannotBeVerifiedForLongFails(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		c.op.down = true
		w1.take(back.as(who)).end()
		for range 150 {
			c.sleep(c.budget.Recovery)
			c.fire()
			for _, m := range c.broker.messages {
				if m.free(time.Now()) {
					w2.take(m).end()
				}
			}
		}
		back.wantFlow(consents.Failed, consents.ReasonUnverifiable)
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 1, 1)
		c.wantTold(a, "link-created", "consent-failed")
		c.judge()
	})
}

// TestAConsentThatComesToNothingLeavesTheLinkAsItWas, whatever the reason, and says
// which it was.
func TestAConsentThatComesToNothingLeavesTheLinkAsItWas(t *testing.T) {
	scripted := func(k providers.Class) func(*cell) { return func(c *cell) { c.op.answers = []providers.Class{k} } }
	for reason, spoil := range map[string]func(*cell){
		consents.ReasonCodeRejected:   scripted(providers.GrantDead),
		consents.ReasonRefused:        scripted(providers.Refused),
		consents.ReasonOurFault:       scripted(providers.OurFault),
		consents.ReasonOutcomeUnknown: scripted(providers.Ambiguous),
		providers.ReasonWrongNonce:    func(c *cell) { c.op.forged = providers.ReasonWrongNonce },
	} {
		t.Run(reason, func(t *testing.T) {
			linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
				spoil(c)
				wantDone(t, w1.take(back.as(who)).end())
				c.rest(w1, w2)
				back.wantFlow(consents.Failed, reason)
				c.wantLinkOf(a, links.Active, 1, 1)
				c.wantTold(a, "link-created", "consent-failed")
				if e := last[events.ConsentFailed](c, a); e.Reason != reason {
					t.Errorf("announced %+v", e)
				}
				c.op.forged = ""
				w2.take(c.begins("ann", "A").as(who)).end()
				c.wantLinkOf(a, links.Active, 2, 2) // the next consent is not held up
			})
		})
	}
}

func TestARedirectThatBringsAnErrorEndsItsFlow(t *testing.T) {
	linked(t, func(c *cell, a events.Address, _ *login, back *trip, w1, w2 *process) {
		wantDone(t, w1.take(back.comesBack(events.ReconsentCompleted{State: back.begun.State, Error: "access_denied"})).end())
		c.rest(w1, w2)
		back.wantFlow(consents.Failed, "access_denied")
		c.wantTold(a, "link-created", "consent-failed")
		if c.op.posts > 0 {
			t.Error("the provider was asked")
		}
		c.judge()
	})
}

// TestAConsentIsAppliedThoughItsAccountsAreNotKnown, and says why they are not.
func TestAConsentIsAppliedThoughItsAccountsAreNotKnown(t *testing.T) {
	for _, reason := range []string{events.AccountsUnreachable, events.AccountsMalformed, events.AccountsTooMany, events.AccountsRefused} {
		t.Run(reason, func(t *testing.T) {
			linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
				c.rules.AccountsURL = "https://op.example/accounts"
				c.op.accounts = func() ([]string, error) { return []string{"1", "2"}, nil }
				w1.take(back.as(who)).end()
				c.op.accounts = func() ([]string, error) { return nil, &providers.EndpointError{Endpoint: "accounts", Reason: reason} }
				w2.take(c.begins("ann", "A").as(who)).end()
				e := last[events.TokenRotated](c, a)
				if e.AccountsUnknown != reason || len(e.AccountsGained)+len(e.AccountsLost) > 0 {
					t.Errorf("announced %+v", e)
				}
				if l := c.record(a); !slices.Equal(l.Accounts, []string{"1", "2"}) || l.AccountsUnknown != reason {
					t.Errorf("accounts %q, unknown %q", l.Accounts, l.AccountsUnknown)
				}
				c.rest(w1, w2)
				c.judge()
			})
		})
	}
}

func TestAccountsAreAskedForAgainWhileTheyAreNotReached(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, _ *process) {
		c.rules.AccountsURL = "https://op.example/accounts"
		asked := 0
		c.op.accounts = func() ([]string, error) {
			if asked++; asked < 3 {
				return nil, &providers.EndpointError{Endpoint: "accounts", Reason: events.AccountsUnreachable}
			}
			return []string{"1"}, nil
		}
		w1.take(back.as(who)).end()
		if l := c.record(a); !slices.Equal(l.Accounts, []string{"1"}) || l.AccountsUnknown != "" {
			t.Errorf("accounts %q, unknown %q after %d requests", l.Accounts, l.AccountsUnknown, asked)
		}
	})
}

// TestATokenThatIsLeftOutIsTheOldOneOfTheSameLogin only.
func TestATokenThatIsLeftOutIsTheOldOneOfTheSameLogin(t *testing.T) {
	linked(t, func(c *cell, a events.Address, who *login, back *trip, w1, w2 *process) {
		c.op.once = true
		old := c.op.tokensOf(c.record(a))
		w1.take(back.as(who)).end()
		w2.take(c.refused(a, 2)).end()
		c.wantLinkOf(a, links.Active, 3, 2)
		if old.shown != 1 {
			t.Errorf("the old refresh token was presented %d times, want once", old.shown)
		}
	})
	inCell(t, func(c *cell) {
		c.op.once = true
		other := c.op.login("two")
		c.imports("bob", "B", other)
		a, w := c.imports("ann", "A", c.op.login("one")), c.worker("w")
		back := c.begins("ann", "A")
		w.take(back.as(other)).end()
		c.wantLinkOf(a, links.Replaced, 1, 1)
		if l := c.record(back.flow().Ruling.Link); l.Refreshable {
			t.Error("another login's refresh token was taken over")
		}
	})
}

func TestALinkThatEndedLivesAgainByItsUsersConsent(t *testing.T) {
	for _, end := range []func(c *cell, w *process, a events.Address){
		func(c *cell, w *process, a events.Address) { w.take(c.logsOut(a)).end() },
		func(c *cell, w *process, _ events.Address) {
			w.take(c.begins("ann", "A").as(c.op.login("two"))).end()
		},
	} {
		linked(t, func(c *cell, a events.Address, who *login, _ *trip, w1, w2 *process) {
			end(c, w1, a)
			if c.record(a).Live() {
				t.Fatal("it has not ended")
			}
			back := c.begins("ann", "A")
			w2.take(back.as(who)).end()
			back.wantServed(a)
			last[events.LinkCreated](c, a)
			c.rest(w1, w2)
			c.judge()
		})
	}
}

// TestLoginsThatCannotBeComparedAreRenewedInPlace: the answer names nobody, or the
// link is of another client registration.
func TestLoginsThatCannotBeComparedAreRenewedInPlace(t *testing.T) {
	for name, hide := range map[string]func(*cell){
		"no subject":     func(c *cell) { c.op.nobody = true },
		"another client": func(c *cell) { c.rules.ClientID = "client-2" },
	} {
		t.Run(name, func(t *testing.T) {
			linked(t, func(c *cell, a events.Address, who *login, back *trip, _, _ *process) {
				hide(c)
				w := c.worker("w3") // knows the new configuration
				w.take(back.as(who)).end()
				c.wantLinkOf(a, links.Active, 2, 2)
				if e := last[events.TokenRotated](c, a); e.Comparison != events.ComparisonUnknown {
					t.Errorf("the comparison is %s", e.Comparison)
				}
				c.rest(w)
				c.judge()
			})
		})
	}
}

// TestStagedTokensAreAConsent, once, and only in time.
func TestStagedTokensAreAConsent(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a, w := c.imports("ann", "A", who), c.worker("w")
		g := &grantOf{who: who, nonce: "nonce"}
		staged := func() api.Staged {
			set := c.op.issue(who, g)
			s, err := w.h.Stage(context.Background(), "default", api.Stage{
				Provider: "op", Link: "A", User: "ann", AccessToken: api.Secret(set.access), RefreshToken: api.Secret(set.refresh), Nonce: "nonce", ExpiresIn: 3600,
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := staged()
		m := c.input(events.ReconsentCompleted{Address: a, Staging: s.Staging})
		wantDone(t, w.take(m).end())
		c.wantLinkOf(a, links.Active, 2, 2)
		wantDone(t, w.take(c.again(m)).end())
		c.wantLinkOf(a, links.Active, 2, 2)
		s = staged()
		c.sleep(11 * time.Minute)
		late := c.input(events.ReconsentCompleted{Address: a, Staging: s.Staging})
		w.take(late).end()
		c.wantDead(late, "expired_staging")
		c.wantLinkOf(a, links.Active, 2, 2)
		if c.op.posts > 0 {
			t.Error(fmt.Sprint(c.op.posts, " presentations"))
		}
	})
}
