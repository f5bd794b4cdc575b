package handlers_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// cut is a flow that is to be cut short: who consents, for which link, as whom.
type cut struct {
	name   string
	policy providers.Policy
	begin  func(c *cell) (*trip, *login)
	// end is the state of the requested link when the consent is applied.
	end links.Status
}

var cuts = []cut{
	{"a new link", "replace", func(c *cell) (*trip, *login) { return c.begins("ann", ""), c.op.login("one") }, links.Active},
	{"the same login", "replace", func(c *cell) (*trip, *login) {
		who := c.op.login("one")
		c.imports("ann", "A", who)
		return c.begins("ann", "A"), who
	}, links.Active},
	{"another login", "replace", func(c *cell) (*trip, *login) {
		c.imports("ann", "A", c.op.login("one"))
		return c.begins("ann", "A"), c.op.login("two")
	}, links.Replaced},
	{"another login, held", "hold", func(c *cell) (*trip, *login) {
		c.imports("ann", "A", c.op.login("one"))
		return c.begins("ann", "A"), c.op.login("two")
	}, links.Active},
	{"another user's login", "replace", func(c *cell) (*trip, *login) {
		who := c.op.login("one")
		c.imports("bob", "B", who)
		return c.begins("ann", ""), who
	}, links.Active},
	{"a login of the same user", "replace", func(c *cell) (*trip, *login) {
		who := c.op.login("one")
		c.imports("ann", "M", who)
		return c.begins("ann", ""), who
	}, links.Replaced},
}

// lost are the points between which nobody knows whether the code was taken: a
// worker that dies there leaves a flow that fails, once, and a link that is as it was.
var lost = map[string]bool{
	"flow_mark:after": true, "present:before": true, "code socket": true, "code answer": true, "present:after": true, "spool:before": true,
}

// TestAFlowIsCutAtEachOfItsStates: its worker dies at each point, and somebody else
// finishes: told by the input's redelivery, or, where that is lost, by what the
// flow itself left.
func TestAFlowIsCutAtEachOfItsStates(t *testing.T) {
	for _, k := range cuts {
		for _, point := range k.points(t) {
			for _, input := range []string{"redelivered", "lost"} {
				t.Run(k.name+"/"+point+"/"+input, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { k.at(newCell(t, cellKeys), point, input == "lost") })
				})
			}
		}
	}
}

// points are all at which the flow's worker stands still, each once.
func (k cut) points(t *testing.T) (all []string) {
	inCell(t, func(c *cell) {
		w := c.worker("w")
		back, who := k.start(c)
		seen := map[string]bool{}
		for one := w.take(back.as(who)); !one.done; one.advance() {
			if one.parked && !seen[one.point] {
				seen[one.point] = true
				all = append(all, one.point)
			}
		}
	})
	if len(all) < 2*len(handlers.FlowSteps()) {
		t.Fatalf("only %d points to die at: %q", len(all), all)
	}
	return all
}

func (k cut) start(c *cell) (*trip, *login) {
	c.rules.OnDifferentLogin = k.policy
	return k.begin(c)
}

func (k cut) at(c *cell, point string, inputLost bool) {
	w1, w2 := c.worker("w1"), c.worker("w2")
	back, who := k.start(c)
	m := back.as(who)
	w1.take(m).until(point)
	w1.crash()
	if inputLost {
		m.acked, back.lost = true, true
	}
	c.rest(w2)
	for range 3 {
		c.scan(w2).end()
		c.sleep(c.budget.Patience + 1)
		c.rest(w2)
	}
	k.judge(c, back, point)
	c.judge()
}

func (k cut) judge(c *cell, back *trip, point string) {
	want, f := consents.Applied, back.flow()
	switch {
	case lost[point]:
		back.wantFlow(consents.Failed, consents.ReasonOutcomeUnknown)
		if e := last[events.ConsentFailed](c, back.addr); e.Reason != consents.ReasonOutcomeUnknown {
			c.t.Errorf("announced %+v", e)
		}
		return
	case f.Status == consents.Pending && back.lost:
		if g := c.op.codes[back.code]; g.shown > 0 {
			c.t.Errorf("the code was presented %d times, and its flow is pending", g.shown)
		}
		return
	case k.policy == "hold":
		want = consents.Held
	}
	back.wantFlow(want, "")
	if l := c.record(back.addr); l.Status != k.end {
		c.t.Errorf("the requested link is %s, want %s", l.Status, k.end)
	}
}

// TestAnApprovalIsCutAtEachOfItsStates as a flow is.
func TestAnApprovalIsCutAtEachOfItsStates(t *testing.T) {
	var points []string
	approve := func(c *cell, w *process) (events.Address, *trip, *message) {
		c.rules.OnDifferentLogin = "hold"
		a, back := c.imports("ann", "A", c.op.login("own")), c.begins("ann", "A")
		w.take(back.as(c.op.login("other"))).end()
		return a, back, c.decides(a, c.record(a).Hold.Consent, events.DecisionApprove)
	}
	inCell(t, func(c *cell) {
		w := c.worker("w")
		_, _, m := approve(c, w)
		for one := w.take(m); !one.done; one.advance() {
			points = append(points, one.point)
		}
	})
	for i, point := range points {
		t.Run(fmt.Sprint(i, " ", point), func(t *testing.T) {
			inCell(t, func(c *cell) {
				w1, w2 := c.worker("w1"), c.worker("w2")
				a, back, m := approve(c, w1)
				one := w1.take(m)
				for range i {
					one.advance()
				}
				w1.crash()
				c.rest(w2)
				back.wantFlow(consents.Applied, "")
				c.wantLinkOf(a, links.Replaced, 1, 1)
				c.judge()
			})
		})
	}
}
