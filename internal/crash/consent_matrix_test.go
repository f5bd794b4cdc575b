package crash_test

import (
	"fmt"
	"testing"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// The parts that links have in a consent, by what they were told. Whoever was
// imported heard so first.
var (
	made     = part{links.Active, 1, []events.Name{events.NameLinkCreated}}
	nothing  = part{links.ConsentRequired, 0, []events.Name{events.NameConsentFailed}}
	asItWas  = part{links.Active, 1, []events.Name{events.NameLinkCreated}}
	inPlace  = part{links.Active, 2, []events.Name{events.NameLinkCreated, events.NameTokenRotated}}
	failed   = part{links.Active, 1, []events.Name{events.NameLinkCreated, events.NameConsentFailed}}
	after    = part{links.Active, 2, []events.Name{events.NameLinkCreated, events.NameConsentFailed, events.NameTokenRotated, events.NameLinkRecovered}}
	replaced = part{links.Replaced, 1, []events.Name{events.NameLinkCreated, events.NameLinkReplaced}}
	lostIt   = part{links.Superseded, 1, []events.Name{events.NameLinkCreated, events.NameLinkReplaced}}
	held     = part{links.Active, 1, []events.Name{events.NameLinkCreated, events.NameLinkReplacementHeld}}
	approved = part{links.Replaced, 1, []events.Name{events.NameLinkCreated, events.NameLinkReplacementHeld, events.NameLinkReplaced}}
	rejected = part{links.Active, 1, []events.Name{events.NameLinkCreated, events.NameLinkReplacementHeld, events.NameConsentFailed}}
	renewed  = part{links.Active, 2, []events.Name{events.NameLinkCreated, events.NameLinkReplacementHeld, events.NameTokenRotated}}
)

// cast is how all that a consent concerns must have ended: the link that it was
// begun for, another user's that had the login, and the one made for it.
type cast struct {
	requested, other, reserved part
	flow                       consents.Status
	reasons                    []string
}

// way is one way through a consent on which a worker dies.
type way struct {
	name  string
	rule  rule
	links int
	steps []handlers.Step // that the dying worker passes, in their order
	// prepare does what was before, and returns the consent, if it was begun.
	prepare func(*cell) comeback
	// begin brings the dying worker its work.
	begin func(*cell, comeback) comeback
	// stopped makes the dying worker one that was stopped, with the answer in its
	// hands, until the others had given the flow up.
	stopped  bool
	end      cast
	ifUnsure cast // where nobody can know whether the code was taken
}

func (w way) points() []point { return branch{steps: w.steps}.points() }

func (w way) reached(p point, step handlers.Step, when handlers.When) bool {
	return branch{steps: w.steps}.reached(p, step, when)
}

// unsure says that whoever finds the flow cannot know whether the code was taken.
func (w way) unsure(p point) bool {
	return w.reached(p, handlers.StepMark, handlers.After) && !w.reached(p, handlers.StepSpool, handlers.After) && !w.reached(p, handlers.StepFail, handlers.After)
}

// presented is how often the code must have been shown.
func (w way) presented(p point) int {
	if w.unsure(p) && !w.reached(p, handlers.StepPresent, handlers.After) {
		return 0
	}
	return 1
}

// exchange are the steps of a code, up to its answer in the flow, and ruled are
// those up to its ruling.
var (
	exchange = []handlers.Step{handlers.StepLock, handlers.StepOpen, handlers.StepMark, handlers.StepPresent}
	answered = []handlers.Step{handlers.StepSpool, handlers.StepAnswer}
	ruled    = []handlers.Step{handlers.StepVerify, handlers.StepLook, handlers.StepRule}
	finished = []handlers.Step{handlers.StepTimer, handlers.StepOutbox, handlers.StepKnown}
	acked    = []handlers.Step{handlers.StepUnspool, handlers.StepAck}
)

func steps(parts ...[]handlers.Step) (all []handlers.Step) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// as begins a consent to the first link, by a login: that of an imported link, or
// another one.
func as(login int) func(*cell, comeback) comeback {
	return func(c *cell, _ comeback) comeback {
		sub := "somebody else"
		if login < len(c.links) {
			sub = c.links[login].Sub
		}
		return c.consent(user(0), c.links[0].Link, sub)
	}
}

// decided answers what is held.
func decided(d events.Decision) func(*cell, comeback) comeback {
	return func(c *cell, b comeback) comeback {
		c.send(events.LinkReplacementDecided{Address: b.link, Consent: 2, Decision: d})
		return b
	}
}

// another is a login that nobody has linked.
const another = 9

// isHeld lets a worker hold a replacement.
func isHeld(c *cell) comeback {
	first := c.worker()
	b := as(another)(c, comeback{})
	c.rest()
	c.ended(b, consents.Held)
	c.retire(first)
	return b
}

func fresh(*cell) comeback { return comeback{} }

var unknown = []string{consents.ReasonOutcomeUnknown}

// ways are all that a flow can come to. What is the same in several stands in one
// or two of them.
var ways = []way{
	{
		name: "a new link", rule: replaces(), prepare: fresh,
		steps: steps(exchange, answered, ruled, []handlers.Step{handlers.StepClaim, handlers.StepTarget, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		begin: func(c *cell, _ comeback) comeback { return c.consent(user(0), "", "somebody") },
		end:   cast{requested: made, flow: consents.Applied}, ifUnsure: cast{requested: nothing, flow: consents.Failed, reasons: unknown},
	},
	{
		name: "the same login", rule: replaces(), links: 1, prepare: fresh, begin: as(0),
		steps: steps(exchange, answered, ruled, []handlers.Step{handlers.StepTarget, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		end:   cast{requested: inPlace, flow: consents.Applied}, ifUnsure: cast{requested: failed, flow: consents.Failed, reasons: unknown},
	},
	{
		name: "another login", rule: replaces(), links: 1, prepare: fresh, begin: as(another),
		steps: steps([]handlers.Step{handlers.StepAnswer}, ruled, []handlers.Step{handlers.StepClaim, handlers.StepTarget, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		end:   cast{requested: replaced, reserved: made, flow: consents.Applied},
	},
	{
		name: "another user's login", rule: replaces(), links: 2, prepare: fresh, begin: as(1),
		steps: steps(exchange, answered, ruled, []handlers.Step{handlers.StepClaim, handlers.StepTarget, handlers.StepDisplace, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		end:   cast{requested: replaced, other: lostIt, reserved: made, flow: consents.Applied}, ifUnsure: cast{requested: failed, other: asItWas, flow: consents.Failed, reasons: unknown},
	},
	{
		name: "held", rule: holds(), links: 1, prepare: fresh, begin: as(another),
		steps: steps(ruled, []handlers.Step{handlers.StepClaim, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		end:   cast{requested: held, flow: consents.Held},
	},
	{
		name: "held and approved", rule: holds(), links: 1, prepare: isHeld, begin: decided(events.DecisionApprove),
		steps: steps([]handlers.Step{handlers.StepLock, handlers.StepRule, handlers.StepOpen, handlers.StepTarget, handlers.StepEnd, handlers.StepDepart}, finished, []handlers.Step{handlers.StepAck}),
		end:   cast{requested: approved, reserved: made, flow: consents.Applied},
	},
	{
		name: "held and rejected", rule: holds(), links: 1, prepare: isHeld, begin: decided(events.DecisionReject),
		steps: steps([]handlers.Step{handlers.StepLock, handlers.StepFail, handlers.StepDepart}, finished, []handlers.Step{handlers.StepAck}),
		end:   cast{requested: rejected, flow: consents.Failed, reasons: []string{links.ReasonRejected}},
	},
	{
		name: "held and overtaken", rule: holds(), links: 1, prepare: isHeld,
		steps: []handlers.Step{handlers.StepFail, handlers.StepTarget},
		begin: func(c *cell, b comeback) comeback {
			as(0)(c, b)
			return b // how that ends is not in doubt
		},
		end: cast{requested: renewed, flow: consents.Failed, reasons: []string{"dropped"}},
	},
	{
		name: "after it was given up", rule: replaces(), links: 1, prepare: fresh, begin: as(0), stopped: true,
		steps: steps([]handlers.Step{handlers.StepSpool, handlers.StepOpen, handlers.StepAnswer}, ruled, []handlers.Step{handlers.StepTarget, handlers.StepEnd, handlers.StepDepart}, finished, acked),
		end:   cast{requested: after, flow: consents.Applied},
	},
	{
		name: "refused", rule: replaces(), links: 1, begin: as(0),
		prepare: func(c *cell) comeback {
			c.Sim.Script(provider, providertest.Fault{Kind: providertest.ErrorReply, Code: "invalid_grant"})
			return comeback{}
		},
		steps: steps(exchange, []handlers.Step{handlers.StepFail, handlers.StepDepart}, finished, []handlers.Step{handlers.StepAck}),
		end:   cast{requested: failed, flow: consents.Failed, reasons: []string{consents.ReasonCodeRejected}}, ifUnsure: cast{requested: failed, flow: consents.Failed, reasons: unknown},
	},
	{
		name: "given up", rule: replaces(), links: 1,
		steps: steps([]handlers.Step{handlers.StepFail, handlers.StepDepart}, finished, []handlers.Step{handlers.StepAck}),
		prepare: func(c *cell) comeback {
			first := c.worker(at(handlers.StepPresent, handlers.After))
			b := as(0)(c, comeback{})
			c.dies(first)
			return b
		},
		begin: func(_ *cell, b comeback) comeback { return b },
		end:   cast{requested: failed, flow: consents.Failed, reasons: unknown},
	},
}

// cut is one cell of the matrix of consents.
type cut struct {
	way   way
	point point
}

func (c cut) String() string { return fmt.Sprintf("%s/%s %s", c.way.name, c.point.when, c.point.step) }

// possible leaves out what a stopped worker has behind it.
func (c cut) possible() bool {
	return !c.way.stopped || c.point != point{handlers.StepSpool, handlers.Before}
}

func cuts() (all []cut) {
	for _, w := range ways {
		for _, p := range w.points() {
			if c := (cut{w, p}); c.possible() {
				all = append(all, c)
			}
		}
	}
	return all
}

// someCuts is the part that every run tries: each state in which a flow can be
// found, and each link that its links can be in meanwhile.
func someCuts() (some []cut) {
	for _, c := range cuts() {
		switch c.String() {
		case "a new link/after flow_open", "the same login/after flow_mark", "the same login/before spool", "another user's login/after spool",
			"another login/after flow_answer", "held/after flow_look", "another user's login/after flow_rule", "a new link/after flow_claim",
			"another user's login/after flow_target", "another user's login/after flow_displace", "another login/after flow_end",
			"held/after flow_depart", "another login/after flow_depart", "held and approved/after flow_rule", "held and approved/after flow_depart",
			"held and rejected/after flow_fail", "after it was given up/after flow_open", "given up/after flow_fail":
			some = append(some, c)
		}
	}
	return some
}

// TestEveryCrashPointOfAConsent kills a worker at a point of a consent and lets
// another one find what it left, without the reconciler's help.
func TestEveryCrashPointOfAConsent(t *testing.T) {
	t.Parallel()
	points := someCuts()
	if full() {
		points = cuts()
	}
	s := start(t)
	each(t, 6, points, cut.String, func(t *testing.T, p cut) { p.try(t, s) })
}

func (p cut) try(t *testing.T, s *servers) {
	w := p.way
	c := newCell(t, s, w.rule, fiftieth, w.links).withoutReconciler()
	b := w.prepare(c)
	dies := at(p.point.step, p.point.when)
	if w.stopped {
		dies = stopsThenDies(handlers.StepSpool, handlers.Before, p.point)
	}
	dying := c.worker(once(dies, p.point))
	b = w.begin(c, b)
	if w.stopped {
		dying.AwaitStopped()
		other := c.worker()
		c.rest()
		c.ended(b, consents.Failed, unknown...)
		dying.Cont()
		defer c.retire(other)
	}
	c.dies(dying)
	next := c.worker()
	c.rest()
	end := w.end
	if w.unsure(p.point) {
		end = w.ifUnsure
	}
	c.plays(b, end)
	if n := c.codes(b); n != w.presented(p.point) {
		t.Errorf("the code was presented %d times, want %d", n, w.presented(p.point))
	}
	c.promises()
	c.retire(next)
}

// plays holds all that a consent concerned against how it must have ended.
func (c *cell) plays(b comeback, want cast) {
	c.t.Helper()
	c.ended(b, want.flow, want.reasons...)
	c.mustBe("the requested link", b.link, want.requested)
	c.mustBe("the reserved link", c.flow(b).Replacement(), want.reserved)
	if len(c.links) > 1 {
		c.mustBe("the other user's link", c.links[1].Address, want.other)
	}
}

// The matrix is enumerated from the steps that the handlers know.
func TestTheMatrixOfConsentsHasEveryStep(t *testing.T) {
	t.Parallel()
	have := map[handlers.Step]bool{}
	for _, c := range cuts() {
		have[c.point.step] = true
	}
	for _, s := range handlers.FlowSteps() {
		if !have[s] {
			t.Errorf("no worker is ever killed at %s", s)
		}
	}
}
