package crash_test

import (
	"fmt"
	"testing"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/providers/providertest"
)

// point is a side of a step of the procedure.
type point struct {
	step handlers.Step
	when handlers.When
}

// branch is one way through the procedure, and how a link ends whose worker dies
// at a point of it.
type branch struct {
	name    string
	steps   []handlers.Step // in their order
	prepare func(*cell)
	timed   bool // the worker that dies was called by a timer, not by a report
	ends    func(branch, rule, point) ending
}

func (b branch) points() (all []point) {
	for _, s := range b.steps {
		all = append(all, point{s, handlers.Before}, point{s, handlers.After})
	}
	return all
}

// reached says that a worker which died at p had passed the point of step and when.
func (b branch) reached(p point, step handlers.Step, when handlers.When) bool {
	for _, each := range b.points() {
		if each == (point{step, when}) {
			return true
		}
		if each == p {
			return false
		}
	}
	return false
}

// refresh is the way of a token that is refreshed.
var refresh = []handlers.Step{
	handlers.StepLock, handlers.StepRead, handlers.StepIntent, handlers.StepPresent, handlers.StepSpool, handlers.StepVerify,
	handlers.StepCommit, handlers.StepTimer, handlers.StepOutbox, handlers.StepKnown, handlers.StepUnspool, handlers.StepAck,
}

func refreshed(b branch, r rule, p point) ending {
	presented := 0
	if b.reached(p, handlers.StepPresent, handlers.After) {
		presented = 1
	}
	switch {
	case b.reached(p, handlers.StepSpool, handlers.After): // what is spooled is saved
		return rotated(1)
	case !b.reached(p, handlers.StepIntent, handlers.After): // nobody can have presented
		return rotated(1)
	case r.forbidden():
		return lost(presented)
	default:
		return rotated(presented + 1)
	}
}

var branches = []branch{
	{name: "refreshed", steps: refresh, prepare: func(*cell) {}, ends: refreshed},
	{
		name: "refreshed on a timer", steps: refresh, timed: true,
		prepare: func(c *cell) { // whoever was put off by the provider left a timer behind
			c.Sim.Script(provider, *putOff)
			first := c.worker(at(handlers.StepAck, handlers.After))
			c.report(c.links[0])
			c.dies(first)
		},
		ends: func(b branch, r rule, p point) ending {
			e := refreshed(b, r, p)
			e.presented++
			return e
		},
	},
	{
		name:    "put off",
		steps:   []handlers.Step{handlers.StepClear, handlers.StepTimer, handlers.StepAck},
		prepare: func(c *cell) { c.Sim.Script(provider, *putOff) },
		ends: func(b branch, r rule, p point) ending {
			if r.forbidden() && !b.reached(p, handlers.StepClear, handlers.After) {
				return lost(1) // nobody but the dead knew that it was put off
			}
			return rotated(2)
		},
	},
	{
		name:    "grant dead",
		steps:   []handlers.Step{handlers.StepVerdict, handlers.StepOutbox, handlers.StepAck},
		prepare: func(c *cell) { c.Sim.KillGrant(c.links[0].Family) },
		ends: func(b branch, r rule, p point) ending {
			if r.forbidden() || b.reached(p, handlers.StepVerdict, handlers.After) {
				return lost(1)
			}
			return lost(2)
		},
	},
	{
		name:    "answer lost",
		steps:   []handlers.Step{handlers.StepJudge, handlers.StepTimer, handlers.StepAck},
		prepare: func(c *cell) { c.Sim.Script(provider, answerLost, answerLost) },
		ends: func(_ branch, r rule, _ point) ending {
			if r.forbidden() {
				return lost(1)
			}
			return rotated(3) // the first, its repeat, and one more on the timer
		},
	},
}

// answerLost is a provider that has acted and resets the connection.
var answerLost = providertest.Fault{When: providertest.After, Kind: providertest.Reset}

// crashpoint is one cell of the matrix.
type crashpoint struct {
	branch branch
	rule   rule
	point  point
}

func (c crashpoint) String() string {
	return fmt.Sprintf("%s/%s/%s %s", c.branch.name, c.rule.name, c.point.when, c.point.step)
}

// possible leaves out the points that a branch does not have: a forbidden token
// whose answer was lost is judged for good, and there is nothing to time.
func (c crashpoint) possible() bool {
	return c.branch.name != "answer lost" || !c.rule.forbidden() || c.point.step != handlers.StepTimer
}

func matrix() (all []crashpoint) {
	for _, b := range branches {
		for _, r := range rules {
			for _, p := range b.points() {
				if c := (crashpoint{b, r, p}); c.possible() {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// sample is the part of the matrix that every run tries: each way in which the
// next worker can find a link.
func sample() (some []crashpoint) {
	for _, c := range matrix() {
		switch c.String() {
		case "refreshed/forbidden/after intent", "refreshed/forbidden/before spool", "refreshed/forbidden/after spool",
			"refreshed/forbidden/after commit", "refreshed/forbidden/after outbox", "refreshed/forbidden/after ack",
			"refreshed/grace/after present", "refreshed/safe/before commit", "refreshed/until_successor_used/after present",
			"refreshed on a timer/forbidden/after spool", "put off/forbidden/after clear", "grant dead/grace/after verdict", "answer lost/grace/before judge":
			some = append(some, c)
		}
	}
	return some
}

// TestEveryCrashPoint kills a worker at a point of the procedure and lets another
// one find what it left. The reconciler is kept out: the messages alone must do.
func TestEveryCrashPoint(t *testing.T) {
	t.Parallel()
	points := sample()
	if full() {
		points = matrix()
	}
	s := start(t)
	each(t, 6, points, crashpoint.String, func(t *testing.T, at crashpoint) { at.try(t, s) })
}

func (p crashpoint) try(t *testing.T, s *servers) {
	c := newCell(t, s, p.rule, fiftieth, 1).withoutReconciler()
	p.branch.prepare(c)
	dying := c.armed(p.point)
	if !p.branch.timed {
		c.report(c.links[0])
	}
	c.dies(dying)
	next := c.worker()
	c.rest()
	c.mustEnd(c.links[0], p.branch.ends(p.branch, p.rule, p.point))
	c.promises()
	c.retire(next)
}

// The matrix is enumerated from the steps that the handlers know.
func TestTheMatrixHasEveryStep(t *testing.T) {
	t.Parallel()
	have := map[handlers.Step]bool{}
	for _, p := range matrix() {
		have[p.point.step] = true
	}
	for _, s := range handlers.Steps() {
		if !have[s] {
			t.Errorf("no worker is ever killed at %s", s)
		}
	}
}
