package crash_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/providers/providertest"
)

// twenty links, a hundred reports each.
const twenty = 20

var hundredEach = storm{reporters: 20, each: 5, distinct: true}

// tenth of the production budget.
const tenth = budget.Default / 10

// TestSlowProviders: answers that take longer than locks, and then than AckWait.
// Others presented twice at 3, 12 and 35 s.
func TestSlowProviders(t *testing.T) {
	t.Parallel()
	s := start(t)
	type slow struct {
		name           string
		lockTTL, delay time.Duration
	}
	each(t, 5, []slow{
		{"0 s", budget.Default, 0},
		{"0.1 s", budget.Default, 100 * time.Millisecond},
		{"3 s at a tenth", tenth, 300 * time.Millisecond},
		{"12 s at a tenth", tenth, 1200 * time.Millisecond},
		{"35 s at a tenth", tenth, 3500 * time.Millisecond},
	}, func(p slow) string { return p.name }, func(t *testing.T, p slow) {
		r := forbidden
		r.behaviour.Delay = p.delay
		c := newCell(t, s, r, p.lockTTL, twenty)
		a, b := c.worker(), c.worker()
		c.rage(hundredEach)
		c.rest()
		c.allEnd(rotated(1))
		c.retire(a, b)
	})
}

// TestReportersGoneBeforeTheAnswer: nobody waits for the answer any more when it comes.
func TestReportersGoneBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	c := newCell(t, start(t), forbidden, tenth, twenty)
	gone := make(chan struct{})
	c.faults(providertest.Fault{When: providertest.After, Kind: providertest.Delay, Hold: gone})
	a, b := c.worker(), c.worker()
	c.rage(hundredEach)
	close(gone)
	c.rest()
	c.allEnd(rotated(1))
	c.retire(a, b)
}

// TestEveryAnswerLost: the provider acts and hangs up, once for each link.
func TestEveryAnswerLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	each(t, 4, rules, func(r rule) string { return r.name }, func(t *testing.T, r rule) {
		c := newCell(t, s, r, 2*time.Second, twenty)
		for _, l := range c.links {
			fault := answerLost
			fault.Family = l.Family
			c.Sim.Script(provider, fault)
		}
		a, b := c.worker(), c.worker()
		c.rage(hundredEach)
		c.rest()
		c.allEnd(afterLoss(r))
		c.retire(a, b)
	})
}

// afterLoss is how a link ends whose one answer was lost.
func afterLoss(r rule) ending {
	if r.forbidden() {
		return lost(1)
	}
	return rotated(2)
}

// TestTheHolderKilled kills a worker while the provider has the requests of all
// its links in hand.
func TestTheHolderKilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	type killed struct {
		when providertest.When
		rule rule
	}
	var cases []killed
	for _, r := range rules {
		cases = append(cases, killed{providertest.Before, r}, killed{providertest.After, r})
	}
	each(t, 4, cases, func(k killed) string { return k.when.String() + " the provider acted/" + k.rule.name }, func(t *testing.T, k killed) {
		lockTTL := tenth
		if k.rule.forbidden() {
			lockTTL = fiftieth // the verdict comes after a whole deadline
		}
		c := newCell(t, s, k.rule, lockTTL, twenty)
		arrived, dead := make(chan providertest.Presentation), make(chan struct{})
		c.faults(providertest.Fault{When: k.when, Kind: providertest.CloseNoReply, Arrived: arrived, Hold: dead})
		holder := c.worker()
		c.rage(hundredEach)
		for range twenty {
			c.arrives(arrived)
		}
		holder.Kill()
		close(dead)
		a, b := c.worker(), c.worker()
		c.rest()
		c.allEnd(afterLoss(k.rule))
		c.retire(a, b)
	})
}

// faults scripts one fault for the first request of each link.
func (c *cell) faults(f providertest.Fault) {
	for _, l := range c.links {
		f.Family = l.Family
		c.Sim.Script(provider, f)
	}
}

func (c *cell) arrives(arrived <-chan providertest.Presentation) {
	c.t.Helper()
	select {
	case <-arrived:
	case <-time.After(patience):
		c.t.Fatal("a request did not arrive at the provider")
	}
}

// allEnd checks every link and the promises.
func (c *cell) allEnd(want ending) {
	c.t.Helper()
	for _, l := range c.links {
		c.mustEnd(l, want)
	}
	c.promises()
}
