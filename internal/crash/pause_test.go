package crash_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// pause is a worker that is stopped at a point and goes on when others have
// taken its link for dead.
type pause struct {
	name  string
	rule  rule
	step  handlers.Step
	until func(links.Link) bool
	legal []ending
}

func is(s links.Status) func(links.Link) bool {
	return func(l links.Link) bool { return l.Status == s }
}

func inGeneration(n uint64) func(links.Link) bool {
	return func(l links.Link) bool { return l.Generation == n }
}

func pauses() []pause {
	all := []pause{
		// Within its deadline it presents and saves the link; past it, it may not write.
		{"forbidden/before present/until uncertain", forbidden, handlers.StepPresent, is(links.Uncertain), []ending{rotated(1), lost(0)}},
		{"forbidden/before present/until the verdict", forbidden, handlers.StepPresent, is(links.ConsentRequired), []ending{lost(0)}},
		// It holds the answer: late, and never too late.
		{"forbidden/before spool/until uncertain", forbidden, handlers.StepSpool, is(links.Uncertain), []ending{rotated(1)}},
		{"forbidden/before spool/until the verdict", forbidden, handlers.StepSpool, is(links.ConsentRequired), []ending{rotated(1)}},
	}
	for _, r := range rules[1:] {
		all = append(all,
			pause{r.name + "/before present/until taken over", r, handlers.StepPresent, inGeneration(2), []ending{rotated(1)}},
			pause{r.name + "/before spool/until taken over", r, handlers.StepSpool, inGeneration(2), []ending{rotated(2)}},
		)
	}
	return all
}

func TestAWorkerStoppedForThreeLockTTLs(t *testing.T) {
	t.Parallel()
	s := start(t)
	each(t, 6, pauses(), func(p pause) string { return p.name }, func(t *testing.T, p pause) { p.try(t, s) })
}

func (p pause) try(t *testing.T, s *servers) {
	c := newCell(t, s, p.rule, fiftieth, 1).withoutReconciler()
	stopped := c.worker(stopsAt(p.step, handlers.Before))
	c.report(c.links[0])
	stopped.AwaitStopped()
	over := time.After(3 * fiftieth)
	next := c.worker()
	c.await("the others judged", func() bool { return c.witness.count(p.until) == 1 })
	<-over
	stopped.Cont()
	c.retire(stopped) // finishes what it had in hand
	c.rest()
	c.mustEnd(c.links[0], p.legal...)
	c.promises()
	c.retire(next)
}

// TestALateAnswerIsAnnounced: the user was asked for consent, and then need not be.
func TestALateAnswerIsAnnounced(t *testing.T) {
	t.Parallel()
	c := newCell(t, start(t), forbidden, fiftieth, 1)
	stopped := c.worker(stopsAt(handlers.StepSpool, handlers.Before))
	c.report(c.links[0])
	stopped.AwaitStopped()
	next := c.worker()
	c.await("consent is required", func() bool { return c.witness.count(is(links.ConsentRequired)) == 1 })
	stopped.Cont()
	c.retire(stopped)
	c.rest()
	for _, name := range []events.Name{events.NameConsentRequired, events.NameTokenRotated, events.NameLinkRecovered} {
		if n := c.events(name); n != 1 {
			t.Errorf("%d %s stored, want 1", n, name)
		}
	}
	if n := len(c.ledger().Presentations(providertest.Filter{})); n != 1 {
		t.Errorf("%d presentations", n)
	}
	c.promises()
	c.retire(next)
}
