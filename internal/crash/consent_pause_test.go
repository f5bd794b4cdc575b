package crash_test

import (
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
)

// stop is a worker that stands still in the middle of a consent and goes on when
// others have brought it to an end.
type stop struct {
	way  string
	step handlers.Step // before which it stands still
	// found is how the flow was when the others had done with it.
	found consents.Status
	legal []outcome
}

// outcome is one legal end of all that a consent concerns.
type outcome struct {
	cast
	codes int
}

// applied is the end of a way on which nothing goes wrong.
func applied(way string) []outcome { return []outcome{{the(way).end, 1}} }

// the returns a way by its name.
func the(name string) way {
	return ways[slices.IndexFunc(ways, func(w way) bool { return w.name == name })]
}

// late is an answer that came when the flow had been given up.
var late = outcome{the("after it was given up").end, 1}

func stops() []stop {
	const same, theirs = "the same login", "another user's login"
	all := []stop{
		{same, handlers.StepOpen, consents.Applied, applied(same)},
		{same, handlers.StepMark, consents.Applied, applied(same)},
		// Within its deadline it presents the code, and the answer is late; past it, it may not write.
		{same, handlers.StepPresent, consents.Failed, []outcome{late, {the(same).ifUnsure, 0}}},
		{same, handlers.StepSpool, consents.Failed, []outcome{late}},
		{same, handlers.StepAnswer, consents.Failed, []outcome{late}},
		{same, handlers.StepTarget, consents.Applied, applied(same)},
	}
	for _, s := range []handlers.Step{
		handlers.StepLook, handlers.StepRule, handlers.StepClaim, handlers.StepTarget, handlers.StepDisplace, handlers.StepEnd,
		handlers.StepDepart, handlers.StepTimer, handlers.StepOutbox, handlers.StepUnspool,
	} {
		all = append(all, stop{theirs, s, consents.Applied, applied(theirs)})
	}
	const yes, no = "held and approved", "held and rejected"
	return append(all,
		stop{yes, handlers.StepRule, consents.Applied, applied(yes)},
		stop{yes, handlers.StepTarget, consents.Applied, applied(yes)},
		stop{no, handlers.StepFail, consents.Failed, applied(no)},
		stop{no, handlers.StepDepart, consents.Failed, applied(no)},
	)
}

func (s stop) String() string { return s.way + "/before " + string(s.step) }

// TestAWorkerStoppedInTheMiddleOfAConsent for three lock TTLs, and for as long as
// the others take.
func TestAWorkerStoppedInTheMiddleOfAConsent(t *testing.T) {
	t.Parallel()
	s := start(t)
	each(t, 6, stops(), stop.String, func(t *testing.T, p stop) { p.try(t, s) })
}

func (p stop) try(t *testing.T, s *servers) {
	w := the(p.way)
	c := newCell(t, s, w.rule, fiftieth, w.links).withoutReconciler()
	b := w.prepare(c)
	stopped := c.worker(once(stopsAt(p.step, handlers.Before), point{step: p.step}))
	b = w.begin(c, b)
	stopped.AwaitStopped()
	over := time.After(3 * fiftieth)
	next := c.worker()
	testenv.Eventually(t, patience, "the others bring the flow to an end", func() bool { return c.flow(b).Status == p.found })
	c.await("no exchange is open", func() bool { return c.witness.count(isExchanging) == 0 })
	<-over
	stopped.Cont()
	c.retire(stopped) // finishes what it had in hand
	c.rest()
	c.comesTo(b, p.legal)
	c.promises()
	c.retire(next)
}

func isExchanging(l links.Link) bool { return l.Exchange != nil }

// comesTo requires one of some outcomes; which, the ledger tells.
func (c *cell) comesTo(b comeback, legal []outcome) {
	c.t.Helper()
	shown := c.codes(b)
	i := slices.IndexFunc(legal, func(o outcome) bool { return o.codes == shown })
	if i < 0 {
		c.t.Errorf("the code was presented %d times, want one of %v", shown, legal)
		return
	}
	c.plays(b, legal[i].cast)
}

// TestAnAnswerOnTheDiskIsNoFailure: the worker that saved it is dead, and others on
// its host run already. None of them may tell the user that it came to nothing
// before it has looked.
func TestAnAnswerOnTheDiskIsNoFailure(t *testing.T) {
	t.Parallel()
	w := the("the same login")
	c := newCell(t, start(t), w.rule, tenth, w.links).withoutReconciler()
	saved := c.worker(stopsAt(handlers.StepAnswer, handlers.Before))
	b := w.begin(c, comeback{})
	saved.AwaitStopped()
	siblings := []*testenv.Process{c.worker(), c.worker()}
	saved.Kill()
	end := w.end
	if slices.Contains(c.told(b.link), events.NameConsentFailed) {
		end = late.cast // a slow machine: they had their time while its worker lived, and nobody takes a file from the living
	}
	c.rest()
	c.plays(b, end)
	c.promises()
	c.retire(siblings...)
}
