package handlers_test

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// waiting is ann's link A, whose place another login waits for.
type waiting struct {
	*cell
	a          events.Address
	old, other *login
	w1, w2     *process
	back       *trip
	hold       links.Hold
}

func holding(t *testing.T, test func(h waiting)) {
	t.Helper()
	inCell(t, func(c *cell) {
		c.rules.OnDifferentLogin, c.op.revokable = "hold", true
		h := waiting{cell: c, old: c.op.login("old"), other: c.op.login("other"), w1: c.worker("w1"), w2: c.worker("w2")}
		h.a = c.imports("ann", "A", h.old)
		h.back = c.begins("ann", "A")
		h.w1.take(h.back.as(h.other)).end()
		h.back.wantFlow(consents.Held, "")
		c.wantLinkOf(h.a, links.Active, 1, 1)
		h.hold = *c.record(h.a).Hold
		if e := last[events.LinkReplacementHeld](c, h.a); e.Consent != h.hold.Consent || !e.HeldUntil.Equal(h.hold.Until) {
			t.Errorf("the hold is %+v, and %+v was announced", h.hold, e)
		}
		test(h)
	})
}

func (h waiting) approve() *message { return h.decides(h.a, h.hold.Consent, events.DecisionApprove) }
func (h waiting) reject() *message  { return h.decides(h.a, h.hold.Consent, events.DecisionReject) }

// end lets all come to rest, timers of the coming weeks included, and judges.
func (h waiting) end() {
	h.t.Helper()
	h.restFor(30*24*time.Hour, h.w1, h.w2)
	h.judge()
}

func TestAHeldLinkIsRefreshedUntilItIsDecided(t *testing.T) {
	holding(t, func(h waiting) {
		h.w1.take(h.refused(h.a, 1)).end()
		h.wantLinkOf(h.a, links.Active, 2, 1)
		wantDone(t, h.w2.take(h.approve()).end())
		h.wantLinkOf(h.a, links.Replaced, 2, 1)
		h.wantLinkOf(h.hold.By, links.Active, 1, 1)
		h.back.wantServed(h.hold.By)
		h.end()
	})
}

func TestAnApprovalThatArrivesAfterANewerConsent(t *testing.T) {
	holding(t, func(h waiting) {
		newer := h.begins("ann", "A")
		h.w1.take(newer.as(h.old)).end()
		wantDone(t, h.w2.take(h.approve()).end())
		h.wantLinkOf(h.a, links.Active, 2, 3)
		newer.wantServed(h.a)
		h.back.wantFlow(consents.Failed, "dropped")
		h.end()
	})
}

// An approval and a newer consent must not wait for each other: the approval for
// the exchange to end, the consent for what was approved.
func TestAnApprovalIsDroppedByANewerConsentThatIsBeingExchanged(t *testing.T) {
	holding(t, func(h waiting) {
		newer := h.begins("ann", "A")
		slow := h.w2.take(h.approve()).until("flow_rule:after") // approved, and no exchange opened
		exchange := h.w1.take(newer.as(h.old)).until("code answer")
		slow.end()
		exchange.end()
		h.rest(h.w1, h.w2)
		newer.wantFlow(consents.Applied, "")
		h.back.wantFlow(consents.Failed, "dropped")
		h.wantLinkOf(h.a, links.Active, 2, 3)
		h.end()
	})
}

func TestARejectedLoginIsDroppedAndRevoked(t *testing.T) {
	holding(t, func(h waiting) {
		wantDone(t, h.w1.take(h.reject()).end())
		h.wantLinkOf(h.a, links.Active, 1, 1)
		h.back.wantFlow(consents.Failed, links.ReasonRejected)
		if f := h.back.flow(); len(f.Tokens) > 0 {
			t.Error("the rejected tokens are kept")
		}
		if e := last[events.ConsentFailed](h.cell, h.a); e.Reason != links.ReasonRejected {
			t.Errorf("announced %+v", e)
		}
		if len(h.op.revoked) != 1 {
			t.Errorf("%d tokens were revoked at a provider that revokes tokens alone", len(h.op.revoked))
		}
		wantDone(t, h.w2.take(h.approve()).end())
		h.end()
	})
}

func TestAHoldEndsWithItsTerm(t *testing.T) {
	holding(t, func(h waiting) {
		h.sleep(time.Until(h.hold.Until) - time.Minute)
		h.rest(h.w1, h.w2)
		h.back.wantFlow(consents.Failed, links.ReasonHoldExpired)
		if e := last[events.ConsentFailed](h.cell, h.a); e.Reason != links.ReasonHoldExpired {
			t.Errorf("announced %+v", e)
		}
		wantDone(t, h.w1.take(h.approve()).end())
		h.wantLinkOf(h.a, links.Active, 1, 1)
		h.end()
	})
}

// TestAnApprovalAndTheEndOfTheTermRace: one of them wins, and all agree which.
func TestAnApprovalAndTheEndOfTheTermRace(t *testing.T) {
	seeded(t, 300, func(c *cell, seed uint64) {
		c.rules.OnDifferentLogin = "hold"
		a := c.imports("ann", "A", c.op.login("old"))
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
		w1.take(back.as(c.op.login("other"))).end()
		hold := *c.record(a).Hold
		c.sleep(time.Until(hold.Until))
		c.fire()
		term := c.broker.messages[len(c.broker.messages)-1]
		c.race(seed, w1.take(c.decides(a, hold.Consent, events.DecisionApprove)), w2.take(term))
		c.rest(w1, w2)
		switch back.flow().Status {
		case consents.Applied:
			c.wantLinkOf(a, links.Replaced, 1, 1)
			c.wantLinkOf(hold.By, links.Active, 1, 1)
		default:
			back.wantFlow(consents.Failed, links.ReasonHoldExpired)
			c.wantLinkOf(a, links.Active, 1, 1)
		}
		c.judge()
	})
}

// A worker that has not finished holding the link must not close the exchange of
// the approval, nor hold the link for the same consent once more.
func TestASlowEndOfAHoldMeetsItsApproval(t *testing.T) {
	inCell(t, func(c *cell) {
		c.rules.OnDifferentLogin = "hold"
		a := c.imports("ann", "A", c.op.login("old"))
		w1, w2, w3, back := c.worker("w1"), c.worker("w2"), c.worker("w3"), c.begins("ann", "A")
		m := back.as(c.op.login("other"))
		slow := w1.take(m).until("flow_depart:before")
		w2.take(m).end()
		approval := w3.take(c.decides(a, c.record(a).Hold.Consent, events.DecisionApprove)).until("flow_end:before")
		slow.end()
		approval.end()
		c.rest(w1, w2, w3)
		c.wantLinkOf(a, links.Replaced, 1, 1)
		c.judge()
	})
}

func TestAnotherUserTakesAHeldLogin(t *testing.T) {
	holding(t, func(h waiting) {
		bob := h.begins("bob", "")
		h.w1.take(bob.as(h.other)).end()
		h.w2.take(h.approve()).end()
		h.rest(h.w1, h.w2)
		bob.wantServed(bob.addr)
		h.back.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		h.wantLinkOf(h.a, links.Active, 1, 1)
		if h.record(h.a).Hold != nil {
			t.Error("the link is still held")
		}
		h.end()
	})
}

func TestAnImportTakesAHeldLogin(t *testing.T) {
	holding(t, func(h waiting) {
		b := h.imports("bob", "B", h.other)
		h.w2.take(h.approve()).end()
		h.rest(h.w1, h.w2)
		h.back.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		h.wantLinkOf(h.a, links.Active, 1, 1)
		h.wantLinkOf(b, links.Active, 1, 1)
	})
}

func TestALogoutDropsWhatTheLinkWasHeldFor(t *testing.T) {
	holding(t, func(h waiting) {
		h.w1.take(h.logsOut(h.a)).end()
		h.w2.take(h.approve()).end()
		h.wantLinkOf(h.a, links.Revoked, 1, 1)
		h.back.wantFlow(consents.Failed, "dropped")
		owner, err := h.book.Store.Owner(context.Background(), "default", links.Login("op", h.subject(h.other)))
		if err != nil || owner.Address != (events.Address{}) {
			t.Errorf("the dropped login is still %s's, %v", owner.Address.Link, err)
		}
		h.end()
	})
}

// TestAnApprovalIsFinishedThoughItsHoldHasEnded: a logout, or somebody else who has the
// held link's login now, came before the approval's worker had told of the new link. The
// decision, delivered again, finds nothing held, and nobody else would go on before the
// reconciler.
func TestAnApprovalIsFinishedThoughItsHoldHasEnded(t *testing.T) {
	for name, ends := range map[string]func(h waiting) *message{
		"a logout":      func(h waiting) *message { return h.logsOut(h.a) },
		"another owner": func(h waiting) *message { return h.begins("bob", "").as(h.old) },
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, func(h waiting) {
				m := h.approve()
				h.w1.take(m).until("flow_end:after")
				h.w1.crash()
				h.w2.take(ends(h)).end()
				wantDone(t, h.w2.take(m).end())
				h.wantTold(h.back.flow().Replacement(), "link-created")
				if x := h.record(h.a).Exchange; x != nil {
					t.Errorf("the exchange of %s stays open", x.ID)
				}
			})
		})
	}
}

// TestALoginOfTheSameUserIsRenewedThoughTheLinkIsHeld: only the requested link's
// fate waits.
func TestALoginOfTheSameUserIsRenewedThoughTheLinkIsHeld(t *testing.T) {
	for decision, status := range map[events.Decision]links.Status{events.DecisionApprove: links.Replaced, events.DecisionReject: links.Active} {
		t.Run(string(decision), func(t *testing.T) {
			inCell(t, func(c *cell) {
				c.rules.OnDifferentLogin, c.op.revokable = "hold", true
				mine := c.op.login("mine")
				a, m := c.imports("ann", "A", c.op.login("old")), c.imports("ann", "M", mine)
				w, back := c.worker("w"), c.begins("ann", "A")
				w.take(back.as(mine)).end()
				c.wantLinkOf(m, links.Active, 2, 2)
				back.wantServed(m)
				wantDone(t, w.take(c.decides(a, c.record(a).Hold.Consent, decision)).end())
				c.wantLinkOf(a, status, 1, 1)
				c.wantLinkOf(m, links.Active, 2, 2)
				if len(c.op.revoked) > 0 {
					t.Error("tokens that a link serves were revoked")
				}
				c.rest(w)
				c.judge()
			})
		})
	}
}
