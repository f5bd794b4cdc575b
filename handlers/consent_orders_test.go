package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
)

// wantLinkOf requires a link's state.
func (c *cell) wantLinkOf(a events.Address, status links.Status, generation, consent uint64) {
	c.t.Helper()
	if l := c.record(a); l.Status != status || l.Generation != generation || l.Consent != consent {
		c.t.Errorf("%s is %s at generation %d of consent %d, want %s at %d of %d", a.Link, l.Status, l.Generation, l.Consent, status, generation, consent)
	}
}

func (t *trip) wantFlow(status consents.Status, reason string) {
	t.c.t.Helper()
	if f := t.flow(); f.Status != status || f.Reason != reason {
		t.c.t.Errorf("the flow is %s (%q), want %s (%q)", f.Status, f.Reason, status, reason)
	}
}

// wantServed requires that a link's tokens are those that a code brought.
func (t *trip) wantServed(a events.Address) {
	t.c.t.Helper()
	if g := t.c.op.tokensOf(t.c.record(a)).of; g.code == "" || g.code != t.code {
		t.c.t.Errorf("%s serves tokens of code %q, want those of %q", a.Link, g.code, t.code)
	}
}

// race lets tasks go on in an order that a seed chooses, until all have ended.
func (c *cell) race(seed uint64, tasks ...*task) {
	random := rand.New(rand.NewPCG(seed, 3))
	for len(tasks) > 0 {
		i := random.IntN(len(tasks))
		if tasks[i].done {
			tasks = append(tasks[:i], tasks[i+1:]...)
			continue
		}
		tasks[i].advance()
	}
}

// seeded runs a test in a cell of its own for each of many seeds.
func seeded(t *testing.T, n uint64, test func(c *cell, seed uint64)) {
	if testing.Short() {
		n = max(n/20, 1)
	}
	for seed := range n {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCell(t, cellKeys)
				c.sparse = true
				test(c, seed)
			})
		}) {
			return
		}
	}
}

func TestARefreshIsAnsweredBeforeAConsentThatCompletes(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
		refresh := w1.take(c.refused(a, 1)).until("refresh answer")
		consent := w2.take(back.as(who)).until("code answer")
		refresh.end()
		c.wantLinkOf(a, links.Active, 2, 1) // saved: the consent may fail
		consent.end()
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 3, 2)
		back.wantServed(a)
		c.judge()
	})
}

func TestARefreshIsAnsweredAfterAConsentThatCompleted(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
		refresh := w1.take(c.refused(a, 1)).until("refresh answer")
		w2.take(back.as(who)).end()
		c.wantLinkOf(a, links.Active, 2, 2)
		refresh.end()
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 2, 2)
		back.wantServed(a)
		if _, kept := c.record(a).KeptOf(links.KeptLate); !kept {
			t.Error("the answer that came too late was thrown away")
		}
		c.judge()
	})
}

// TestTheNewConsentsTokensAreServed: a refresh and a consent of one link, in any
// order of their steps and of their answers.
func TestTheNewConsentsTokensAreServed(t *testing.T) {
	seeded(t, 1000, func(c *cell, seed uint64) {
		c.op.strict = seed%2 == 0
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
		c.race(seed, w1.take(c.refused(a, 1)), w2.take(back.as(who)))
		c.rest(w1, w2)
		if l := c.record(a); l.Consent != 2 || l.Status != links.Active {
			c.t.Errorf("%s at consent %d", l.Status, l.Consent)
		}
		back.wantServed(a)
		if n := c.op.codes[back.code].shown; n != 1 {
			c.t.Errorf("the code was presented %d times", n)
		}
		c.judge()
	})
}

func TestRedisIsDownDuringAnExchangeWithARefreshDue(t *testing.T) {
	inCell(t, func(c *cell) {
		c.locks = func(*process) error { return locks.ErrUnavailable }
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "A")
		consent := w1.take(back.as(who)).until("code answer")
		report := c.refused(a, 1)
		w2.take(report).end()
		if report.last.Kind != inbox.KindLater || c.op.posts != 1 {
			t.Errorf("the report ended with %+v after %d presentations, want it put back after the code's", report.last, c.op.posts)
		}
		consent.end()
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 2, 2) // and the report was of an older bearer
		if c.op.posts != 1 {
			t.Errorf("%d presentations", c.op.posts)
		}
		c.judge()
	})
}

// TestTwoUsersConsentToOneLogin in any order of the steps of both: the later order
// has it, and both hear of it.
func TestTwoUsersConsentToOneLogin(t *testing.T) {
	seeded(t, 600, func(c *cell, seed uint64) {
		joint, own := c.op.login("joint"), c.op.login("own")
		c.rules.OnDifferentLogin = []providers.Policy{"replace", "keep_both"}[seed%2]
		a := c.imports("ann", "A", own)
		w1, w2 := c.worker("w1"), c.worker("w2")
		ann, bob := c.begins("ann", []string{"", a.Link}[seed/2%2]), c.begins("bob", "")
		c.race(seed, w1.take(ann.as(joint)), w2.take(bob.as(joint)))
		c.rest(w1, w2)
		c.scan(w1).end()
		later, earlier := bob, ann
		if ann.flow().Order.After(bob.flow().Order) {
			later, earlier = ann, bob
		}
		later.wantFlow(consents.Applied, "")
		later.wantServed(later.flow().Ruling.Link)
		switch f := earlier.flow(); f.Status {
		case consents.Failed:
			earlier.wantFlow(consents.Failed, consents.ReasonNewerConsent)
			last[events.ConsentFailed](c, f.Address)
		default:
			e := last[events.LinkReplaced](c, f.Ruling.Link)
			if e.Reason != events.ReplacedOtherOwner || e.Replacement != later.flow().Ruling.Link {
				c.t.Errorf("the earlier owner was told %+v", e)
			}
		}
		c.judge()
	})
}

// TestAUserLinksOneLoginTwiceAtOnce: one link is left, with the later tokens.
func TestAUserLinksOneLoginTwiceAtOnce(t *testing.T) {
	seeded(t, 400, func(c *cell, seed uint64) {
		who := c.op.login("one")
		w1, w2 := c.worker("w1"), c.worker("w2")
		one, two := c.begins("ann", ""), c.begins("ann", "")
		c.race(seed, w1.take(one.as(who)), w2.take(two.as(who)))
		c.rest(w1, w2)
		live := 0
		for _, l := range c.all() {
			if l.Live() {
				live++
			}
		}
		if live != 1 {
			c.t.Errorf("%d live links of one login", live)
		}
		c.judge()
	})
}

// TestAClaimBeforeItsLinkIsThere: the newer flow has claimed the login and not made
// its link yet when the older one is ruled on.
func TestAClaimBeforeItsLinkIsThere(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("joint")
		w1, w2 := c.worker("w1"), c.worker("w2")
		older, newer := c.begins("ann", ""), c.begins("bob", "")
		one := w1.take(older.as(who)).until("flow_look:after")
		two := w2.take(newer.as(who)).until("flow_target:before")
		one.end()
		older.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		two.end()
		c.rest(w1, w2)
		newer.wantServed(newer.addr)
		c.judge()
	})
}

// TestAnOwnerThatIsRenewedClaimsAgain: an older flow that was ruled on before the
// renewal does not take the login after it.
func TestAnOwnerThatIsRenewedClaimsAgain(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("joint")
		a := c.imports("ann", "A", who)
		w1, w2 := c.worker("w1"), c.worker("w2")
		older, newer := c.begins("bob", ""), c.begins("ann", "A")
		one := w1.take(older.as(who)).until("flow_claim:before")
		w2.take(newer.as(who)).end()
		one.end()
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 2, 2)
		older.wantFlow(consents.Failed, consents.ReasonNewerConsent)
		c.judge()
	})
}

// TestTokensThatWereGivenGoNowhereElse: the flow's worker stands still between its
// link's record and the end, and somebody else takes the login over.
func TestTokensThatWereGivenGoNowhereElse(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("joint")
		w1, w2, w3 := c.worker("w1"), c.worker("w2"), c.worker("w3")
		older, newer := c.begins("ann", ""), c.begins("bob", "")
		slow := w1.take(older.as(who)).until("flow_target:after")
		w2.take(newer.as(who)).end()
		w1.crash()
		if !slow.done {
			t.Fatal("still there")
		}
		c.rest(w2, w3)
		older.wantFlow(consents.Applied, "")
		c.wantLinkOf(older.addr, links.Superseded, 1, 1)
		newer.wantServed(newer.addr)
		c.judge()
	})
}

// TestALogoutIsOlderThanTheConsentThatCameMeanwhile: the worker of the logout was
// slow, and the user is back.
func TestALogoutIsOlderThanTheConsentThatCameMeanwhile(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2 := c.worker("w1"), c.worker("w2")
		slow := w1.take(c.logsOut(a)).until("revoke")
		back := c.begins("ann", "A")
		w2.take(back.as(who)).end()
		wantDone(t, slow.end())
		c.rest(w1, w2)
		c.wantLinkOf(a, links.Active, 2, 2)
		back.wantServed(a)
		c.judge()
	})
}

// TestAReplayedLogoutEndsNoLinkThatConsentedSince: it was handled once, and what was
// consented to since is not what it asked to end (G8). One that was never handled
// still ends what was there when it was asked for.
func TestAReplayedLogoutEndsNoLinkThatConsentedSince(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a, other := c.imports("ann", "A", who), c.imports("ann", "B", c.op.login("two"))
		w := c.worker("w")
		logout, unhandled := c.logsOut(a), c.logsOut(other)
		w.take(logout).end()
		c.sleep(time.Hour)
		back := c.begins("ann", "A")
		w.take(back.as(who)).end()
		c.sleep(time.Hour)
		wantDone(t, w.take(c.again(logout)).end())
		wantDone(t, w.take(c.again(unhandled)).end())
		c.rest(w)
		c.wantLinkOf(a, links.Active, 2, 2)
		back.wantServed(a)
		c.wantLinkOf(other, links.Revoked, 1, 1)
	})
}

// TestALogoutLeavesAGrantThatAnotherLinkShares: a revocation may end all that the
// login has under the registration, and a bank behind it has the same.
func TestALogoutLeavesAGrantThatAnotherLinkShares(t *testing.T) {
	inCell(t, func(c *cell) {
		c.bank = true
		who := c.op.login("one")
		a, b := c.imports("ann", "A", who), events.Address{Tenant: "default", Provider: "bank", Link: "B"}
		if err := c.tryImport("ann", b, who); err != nil {
			t.Fatal(err)
		}
		w := c.worker("w")
		w.take(c.logsOut(a)).end()
		if len(c.op.revoked) != 0 {
			t.Errorf("%d tokens were revoked under a link that lives", len(c.op.revoked))
		}
		c.wantLinkOf(a, links.Revoked, 1, 1)
		c.wantLinkOf(b, links.Active, 1, 1)
		w.take(c.logsOut(b)).end()
		if len(c.op.revoked) != 1 {
			t.Errorf("%d tokens were revoked with the last link", len(c.op.revoked))
		}
	})
}

// TestNothingOfALinkThatWasLoggedOutIsKept: the answer to a refresh came after the
// logout. What it brought nobody knows but the worker that has it: it is revoked.
func TestNothingOfALinkThatWasLoggedOutIsKept(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		a := c.imports("ann", "A", who)
		w1, w2 := c.worker("w1"), c.worker("w2")
		slow := w1.take(c.input(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})).until("refresh answer")
		w2.take(c.logsOut(a)).end()
		slow.end()
		c.rest(w1, w2)
		if l := c.record(a); l.Status != links.Revoked || len(l.Sealed)+len(l.Kept) != 0 {
			t.Errorf("the link is %s with %d sealed bytes and %d answers kept", l.Status, len(l.Sealed), len(l.Kept))
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(c.op.revoked)))); n != 2 {
			t.Errorf("%d tokens were revoked, want the link's and the one that came after it", n)
		}
	})
}

// TestWhatComesAfterALogoutLeavesAGrantThatAnotherLinkShares: as the logout itself does.
func TestWhatComesAfterALogoutLeavesAGrantThatAnotherLinkShares(t *testing.T) {
	inCell(t, func(c *cell) {
		c.bank = true
		who := c.op.login("one")
		a, b := c.imports("ann", "A", who), events.Address{Tenant: "default", Provider: "bank", Link: "B"}
		if err := c.tryImport("ann", b, who); err != nil {
			t.Fatal(err)
		}
		w1, w2 := c.worker("w1"), c.worker("w2")
		slow := w1.take(c.input(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})).until("refresh answer")
		w2.take(c.logsOut(a)).end()
		slow.end()
		c.rest(w1, w2)
		if len(c.op.revoked) != 0 {
			t.Errorf("%d tokens were revoked under a link that lives", len(c.op.revoked))
		}
	})
}

// TestARulingRenewsNoLinkThatEndedSince: the logout of the link that the tokens were
// ruled to was asked for before the consent, and handled after the ruling.
func TestARulingRenewsNoLinkThatEndedSince(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("one")
		m := c.imports("ann", "M", who)
		w1, w2, back := c.worker("w1"), c.worker("w2"), c.begins("ann", "")
		logout := c.logsOut(m)
		slow := w1.take(back.as(who)).until("flow_target:before")
		w2.take(logout).end()
		slow.end()
		c.rest(w1, w2)
		c.wantLinkOf(m, links.Revoked, 1, 1)
		back.wantServed(back.addr)
		c.judge()
	})
}

// TestALinkIsMadeForAClaimThatStands: two workers share a flow. One has claimed the
// login and is slow to make the link; the other has to rule again, and the requested
// link has been renewed meanwhile.
func TestALinkIsMadeForAClaimThatStands(t *testing.T) {
	inCell(t, func(c *cell) {
		own, other := c.op.login("own"), c.op.login("other")
		a := c.imports("ann", "A", own)
		w1, w2, w3 := c.worker("w1"), c.worker("w2"), c.worker("w3")
		back, through := c.begins("ann", "A"), c.begins("ann", "")
		m := back.as(other)
		one := w1.take(m).until("flow_claim:before")
		two := w2.take(m).until("flow_claim:before")
		w3.take(through.as(own)).end() // A is renewed, through another flow
		one.until("flow_target:before")
		two.end()
		one.end()
		c.rest(w1, w2, w3)
		back.wantFlow(consents.Applied, "")
		back.wantServed(back.flow().Replacement())
		c.wantLinkOf(a, links.Active, 2, 2)
		c.judge()
	})
}
