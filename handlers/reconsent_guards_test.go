package handlers_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// Each test here takes away what one safeguard of reconsent watches over, in the
// shortest way that was found; docs/safeguards.md says which. Two users are ann and
// bob, and the lock is granted to everybody: only the compare-and-sets decide.

// wantTold requires a link's stored events, by name and in order.
func (c *cell) wantTold(a events.Address, names ...string) {
	c.t.Helper()
	if got := c.out.names(a); !slices.Equal(got, names) {
		c.t.Errorf("%s was told %q, want %q", a.Link, got, names)
	}
}

// wantOwner requires that of all links one lives with a login: the named one.
func (c *cell) wantOwner(who *login, want events.Address) {
	c.t.Helper()
	for _, a := range c.book.made {
		if l := c.record(a); l.Subject == c.subject(who) && l.Live() != (a == want) {
			c.t.Errorf("%s is %s; %s was to have the login alone", a.Link, l.Status, want.Link)
		}
	}
	owner, err := c.book.Store.Owner(context.Background(), want.Tenant, links.Login(want.Provider, c.subject(who)))
	if err != nil || owner.Address != want {
		c.t.Errorf("the index says %s, %v; want %s", owner.Address.Link, err, want.Link)
	}
}

// pair are two users who are back from the provider with the same login, each for a
// new link of theirs. It belonged to ann's link A.
type pair struct {
	who         *login
	a           events.Address
	first, next *trip
}

func (c *cell) pair() pair {
	who := c.op.login("joint")
	p := pair{who: who, a: c.imports("ann", "A", who), first: c.begins("bob", ""), next: c.begins("carol", "")}
	p.first.as(who)
	p.next.as(who)
	return p
}

func TestTwoWorkersHaveACodeAndOnePresentsIt(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		a := c.imports("ann", "A", who)
		v, w, m := c.worker("v"), c.worker("w"), c.begins("ann", "A").as(who)
		one, two := v.take(m).until("flow_mark:before"), w.take(m).until("flow_mark:before")
		two.until("code answer") // the provider calls a second presentation an error
		one.end()
		two.end()
		c.rest(v, w)
		c.wantTold(a, "link-created", "token-rotated")
	})
}

func TestNoRefreshBeginsWhileACodeIsExchanged(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		a := c.imports("ann", "A", who)
		v, w := c.worker("v"), c.worker("w")
		exchange := v.take(c.begins("ann", "A").as(who)).until("code answer")
		if verdict := w.take(c.refused(a, 1)).end(); verdict.Kind != inbox.KindLater || c.op.posts != 1 {
			t.Errorf("%+v after %d posts, want the report put back after one", verdict, c.op.posts)
		}
		exchange.end()
		c.rest(v, w)
		c.wantTold(a, "link-created", "token-rotated")
	})
}

func TestNoGrantIsCalledDeadWhileACodeIsExchanged(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		a := c.imports("ann", "A", who)
		c.op.strict = true // the new grant ends the one before
		v, w := c.worker("v"), c.worker("w")
		refresh := v.take(c.refused(a, 1)).until("refresh socket")
		exchange := w.take(c.begins("ann", "A").as(who)).until("code answer")
		refresh.end()
		c.wantTold(a, "link-created")
		exchange.end()
		c.rest(v, w)
		c.wantTold(a, "link-created", "token-rotated")
	})
}

func TestALostClaimForgetsNobodyWhomItDisplaced(t *testing.T) {
	inCell(t, func(c *cell) {
		p, v, w := c.pair(), c.worker("v"), c.worker("w")
		v.take(p.first.input).until("flow_claim:after")
		v.crash()
		w.take(p.next.input).end() // finds the login claimed by a link that is not there yet
		c.rest(w)
		c.wantOwner(p.who, p.next.addr)
		c.wantTold(p.a, "link-created", "link-replaced")
		if f := p.first.flow(); f.Reason != consents.ReasonNewerConsent {
			t.Errorf("the first flow is %s %s", f.Status, f.Reason)
		}
	})
}

// The login went by way of another user's flow, which lost it again, to a new link
// of its own user.
func TestALinkIsToldToWhomItsLoginWentInTheEnd(t *testing.T) {
	inCell(t, func(c *cell) {
		who, v, w := c.op.login("joint"), c.worker("v"), c.worker("w")
		a := c.imports("ann", "A", who)
		bobs, anns := c.begins("bob", ""), c.begins("ann", "")
		v.take(bobs.as(who)).until("flow_claim:after")
		v.crash()
		w.take(anns.as(who)).end()
		c.rest(w)
		c.wantOwner(who, anns.addr)
		if e := last[events.LinkReplaced](c, a); e.Replacement != anns.addr || e.Reason != events.ReplacedSameLogin {
			t.Errorf("told %s, %s", e.Replacement.Link, e.Reason)
		}
	})
}

func TestAClaimIsMadeOnWhatWasRuledOn(t *testing.T) {
	inCell(t, func(c *cell) {
		p, v, w := c.pair(), c.worker("v"), c.worker("w")
		first := v.take(p.first.input).until("flow_rule:after")
		w.take(p.next.input).end()
		first.end()
		c.rest(v, w)
		c.wantOwner(p.who, p.next.addr)
	})
}

func TestALinkThatIsMadeTooLateFindsItselfDisplaced(t *testing.T) {
	inCell(t, func(c *cell) {
		p, v, w := c.pair(), c.worker("v"), c.worker("w")
		first := v.take(p.first.input).until("flow_target:before")
		w.take(p.next.input).end() // looks for the first one's link, which is not there yet
		first.end()
		c.rest(v, w)
		c.wantOwner(p.who, p.next.addr)
		c.wantTold(p.first.addr, "link-created", "link-replaced")
	})
}

func TestAnOlderConsentDoesNotOverwriteANewerOne(t *testing.T) {
	inCell(t, func(c *cell) {
		own, other := c.op.login("own"), c.op.login("other")
		c.imports("ann", "A", own)
		b := c.imports("ann", "B", other)
		v, w := c.worker("v"), c.worker("w")
		older, newer := c.begins("ann", "A"), c.begins("ann", "B")
		first := v.take(older.as(other)).until("flow_target:before") // B's own login: B is to be renewed by it
		w.take(newer.as(other)).end()
		first.end()
		c.rest(v, w)
		if served := c.op.tokensOf(c.record(b)).of; served.code != newer.code {
			t.Error("B serves the tokens of the older consent")
		}
		if f := older.flow(); f.Reason != consents.ReasonNewerConsent {
			t.Errorf("the older flow is %s %s", f.Status, f.Reason)
		}
	})
}

func TestALinkDoesNotLoseItsPlaceToAnOlderConsent(t *testing.T) {
	inCell(t, func(c *cell) {
		own, other, third := c.op.login("own"), c.op.login("other"), c.op.login("third")
		a := c.imports("ann", "A", own)
		c.imports("ann", "B", other)
		v, w := c.worker("v"), c.worker("w")
		older, newer := c.begins("ann", "A"), c.begins("ann", "B")
		first := v.take(older.as(third)).until("flow_depart:before") // A is to be replaced
		w.take(newer.as(own)).end()                                  // A is renewed, through B
		first.end()
		c.rest(v, w)
		c.wantOwner(own, a)
		if served := c.op.tokensOf(c.record(a)).of; served.code != newer.code {
			t.Error("A does not serve the newer consent's tokens")
		}
	})
}

// held is a link whose replacement by another login waits, and that login.
func (c *cell) held(w *process) (a events.Address, by *trip) {
	c.rules.OnDifferentLogin = "hold"
	a, by = c.imports("ann", "A", c.op.login("own")), c.begins("ann", "A")
	w.take(by.as(c.op.login("other"))).end()
	c.wantTold(a, "link-created", "link-replacement-held")
	return a, by
}

func TestAnApprovalBeatsTheEndOfItsTerm(t *testing.T) {
	inCell(t, func(c *cell) {
		v, w := c.worker("v"), c.worker("w")
		a, _ := c.held(v)
		approval := v.take(c.decides(a, 2, events.DecisionApprove)).until("flow_rule:after")
		c.sleep(15 * 24 * time.Hour)
		c.fire()
		due := c.broker.messages[len(c.broker.messages)-1]
		w.take(due).end()
		approval.end()
		c.rest(v, w)
		c.wantTold(a, "link-created", "link-replacement-held", "link-replaced")
	})
}

func TestADecisionIsAboutTheConsentThatItNames(t *testing.T) {
	inCell(t, func(c *cell) {
		w := c.worker("w")
		a, _ := c.held(w)
		w.take(c.begins("ann", "A").as(c.op.login("third"))).end() // held in place of the first
		w.take(c.decides(a, 2, events.DecisionApprove)).end()
		c.rest(w)
		c.wantTold(a, "link-created", "link-replacement-held", "link-replacement-held")
		if l := c.record(a); !l.Holds(3) {
			t.Error("the third consent is not held any more")
		}
	})
}

func TestAnApprovalThatIsCutShortOwesTheNewLinkNothing(t *testing.T) {
	inCell(t, func(c *cell) {
		v, w := c.worker("v"), c.worker("w")
		a, by := c.held(v)
		m := c.decides(a, 2, events.DecisionApprove)
		v.take(m).until("flow_depart:after")
		v.crash()
		wantDone(t, w.take(m).end())
		c.wantTold(by.flow().Replacement(), "link-created")
		c.wantTold(a, "link-created", "link-replacement-held", "link-replaced")
	})
}

// Whoever is late with opening the exchange of a flow that is held by now leaves it: it
// would stay open until somebody decides, and no refresh could begin.
func TestAFlowThatIsHeldByNowIsNotOpenedAgain(t *testing.T) {
	inCell(t, func(c *cell) {
		c.rules.OnDifferentLogin = "hold"
		a := c.imports("ann", "A", c.op.login("own"))
		v, w, m := c.worker("v"), c.worker("w"), c.begins("ann", "A").as(c.op.login("other"))
		late := v.take(m).until("flow_open:before")
		w.take(m).end()
		late.end()
		if x := c.record(a).Exchange; x != nil {
			t.Errorf("the exchange of %s is open, which is held", x.ID)
		}
		w.take(c.refused(a, 1)).end()
		c.rest(v, w)
		c.wantTold(a, "link-created", "link-replacement-held", "token-rotated")
	})
}

// An approved consent waits for another one's exchange to end, and whoever else finds it
// approved waits too: else its new link is made, and the link that it was to replace stays.
func TestAnApprovedConsentWaitsWhoeverTakesItUp(t *testing.T) {
	inCell(t, func(c *cell) {
		v, w, x := c.worker("v"), c.worker("w"), c.worker("x")
		a, by := c.held(v)
		approval := v.take(c.decides(a, 2, events.DecisionApprove)).until("flow_rule:before")
		newer := w.take(c.begins("ann", "A").as(c.op.login("third"))).until("code answer")
		approval.end()
		if verdict := x.take(c.again(by.input)).end(); verdict.Kind != inbox.KindLater {
			t.Errorf("while another code is exchanged: %+v", verdict)
		}
		newer.end()
		c.rest(v, w, x)
		c.wantTold(a, "link-created", "link-replacement-held", "link-replacement-held")
		c.judge()
	})
}

func TestAStateIsGoodForItsOwnFlow(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		c.imports("ann", "A", who)
		c.imports("bob", "B", c.op.login("bob"))
		w, mine := c.worker("w"), c.begins("ann", "A")
		code := events.Code(c.op.authorize(mine.begun.AuthorizeURL, who))
		for reason, d := range map[string]events.ReconsentCompleted{
			"state_of_another_link":   {Address: at("B"), State: mine.begun.State, Code: code},
			"state_of_another_user":   {Address: at("A"), State: mine.begun.State, Code: code, User: "bob"},
			"state_of_another_tenant": {Address: at("A"), State: c.ofAnotherTenant(), Code: code},
		} {
			m := c.input(d)
			w.take(m).end()
			c.wantDead(m, reason)
		}
		if f := mine.flow(); f.Status != consents.Pending || c.op.posts != 0 {
			t.Errorf("the flow is %s, the provider was asked %d times", f.Status, c.op.posts)
		}
	})
}

// ofAnotherTenant begins a flow of a tenant that the link A has there too.
func (c *cell) ofAnotherTenant() (state string) {
	other := at("A")
	other.Tenant = "other"
	_, err := c.flows.Create(context.Background(), consents.Flow{
		Version: consents.Version, Key: consents.Key("theirs"), ID: "theirs", Address: other, User: "ann", Status: consents.Pending,
		BeganAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return "theirs"
}

func TestAnAnswerOnThisDiskIsFoundBeforeItsFlowIsGivenUp(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		a := c.imports("ann", "A", who)
		v, w, m := c.worker("v"), c.worker("w"), c.begins("ann", "A").as(who)
		v.take(m).until("flow_answer:before")
		v.crash()
		w.take(m).end() // sees the presentation, and leaves its worker a patience
		c.sleep(c.budget.Patience)
		wantDone(t, w.take(m).end())
		c.wantTold(a, "link-created", "token-rotated")
	})
}

func TestAnAnswerIsWrittenAgainToAStoreThatWasAway(t *testing.T) {
	inCell(t, func(c *cell) {
		who := c.op.login("ann")
		a := c.imports("ann", "A", who)
		w := c.worker("w")
		exchange := w.take(c.begins("ann", "A").as(who)).until("flow_answer:before")
		c.once("flow is not written")
		wantDone(t, exchange.end())
		c.wantTold(a, "link-created", "token-rotated")
	})
}

func TestAnOlderConsentDoesNotMakeAClaimOlder(t *testing.T) {
	inCell(t, func(c *cell) {
		own, other := c.op.login("own"), c.op.login("other")
		c.imports("ann", "A", own)
		b := c.imports("ann", "B", other)
		v, w := c.worker("v"), c.worker("w")
		older, newer := c.begins("ann", "A"), c.begins("ann", "B")
		first := v.take(older.as(other)).until("flow_rule:after") // B's own login: B is to be renewed by it
		w.take(newer.as(other)).end()
		first.end()
		c.rest(v, w)
		owner, err := c.book.Store.Owner(context.Background(), b.Tenant, links.Login(b.Provider, c.subject(other)))
		if err != nil || !owner.Order.Equal(newer.flow().Order) {
			t.Errorf("the claim is of %v, %v; the newest consent of %v", owner.Order, err, newer.flow().Order)
		}
	})
}
