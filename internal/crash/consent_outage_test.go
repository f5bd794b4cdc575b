package crash_test

import (
	"testing"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers/providertest"
)

// TestRedisDiesInAConsent while a refresh of the same link is due: without any
// lock the open exchange alone keeps it from being begun.
func TestRedisDiesInAConsent(t *testing.T) {
	t.Parallel()
	s := start(t)
	if s.redis == nil {
		t.Skip("no redis-server on the PATH: the embedded one is no process to kill")
	}
	c := newCell(t, s, replaces(), outageBudget, 1)
	answer := c.holdAnswers(1)
	workers := []*testenv.Process{c.worker(), c.worker()}
	b := as(0)(c, comeback{})
	answer.arrives()
	s.redis.Kill()
	c.report(c.links[0])
	c.looksAgain(3)
	if n := c.refreshed(c.links[0]); n != 0 {
		t.Errorf("%d refreshes began while a code was being exchanged", n)
	}
	answer.goesOut()
	c.await("the consent counts", func() bool { return c.witness.count(inGeneration(2)) == 1 })
	c.advance(2)
	s.redis.Restart()
	c.advance(3)
	c.rest()
	c.ended(b, consents.Applied)
	if n := c.refreshed(c.links[0]); n != 0 {
		t.Errorf("the refresh token of the consent before was presented %d times", n)
	}
	if n := c.codes(b); n != 1 {
		t.Errorf("the code was presented %d times", n)
	}
	c.promises()
	c.retire(workers...)
}

// TestNATSDiesInConsents when the provider has consumed their codes.
func TestNATSDiesInConsents(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCell(t, s, replaces(), outageBudget, 2)
	answers := c.holdAnswers(3)
	workers := []*testenv.Process{c.worker(), c.worker()}
	in := as(0)(c, comeback{})
	other := c.consent(user(1), c.links[1].Link, "somebody else")
	fresh := c.consent("user-2", "", "a third")
	answers.arrives()
	s.nats.Kill()
	answers.goesOut()
	s.nats.Restart()
	c.rest()
	for _, b := range []comeback{in, other, fresh} {
		c.ended(b, consents.Applied)
		if n := c.codes(b); n != 1 {
			t.Errorf("a code was presented %d times", n)
		}
	}
	c.mustBe("the link of the same login", in.link, inPlace)
	c.mustBe("the link of another login", other.link, replaced)
	c.mustBe("its replacement", c.flow(other).Replacement(), made)
	c.mustBe("the new link", fresh.link, made)
	c.promises()
	c.retire(workers...)
}

// TestNATSDiesAtAStepOfAConsent and is back with its data when the worker goes on,
// or only after.
func TestNATSDiesAtAStepOfAConsent(t *testing.T) {
	t.Parallel()
	steps := []handlers.Step{handlers.StepMark, handlers.StepAnswer, handlers.StepClaim, handlers.StepTarget, handlers.StepDisplace, handlers.StepEnd, handlers.StepDepart, handlers.StepOutbox}
	if !full() {
		steps = steps[2:4]
	}
	each(t, 2, steps, func(s handlers.Step) string { return string(s) }, func(t *testing.T, step handlers.Step) {
		s := start(t) // of its own: everybody's would be away
		c := newCell(t, s, replaces(), outageBudget, 2)
		w := c.worker(stopsAt(step, handlers.Before))
		b := as(1)(c, comeback{})
		w.AwaitStopped()
		s.nats.Kill()
		w.Cont()
		s.nats.Restart()
		c.rest()
		c.plays(b, the("another user's login").end)
		if n := c.codes(b); n != 1 {
			t.Errorf("the code was presented %d times", n)
		}
		c.promises()
		c.retire(w)
	})
}

// heldAnswers are answers of the token endpoint that do not go out yet, though the
// provider has acted.
type heldAnswers struct {
	c       *cell
	n       int
	arrived chan providertest.Presentation
	out     chan struct{}
}

func (c *cell) holdAnswers(n int) heldAnswers {
	h := heldAnswers{c, n, make(chan providertest.Presentation), make(chan struct{})}
	for range n {
		c.Sim.Script(provider, providertest.Fault{When: providertest.After, Kind: providertest.Delay, Arrived: h.arrived, Hold: h.out})
	}
	return h
}

// arrives waits until the provider has acted on all of them.
func (h heldAnswers) arrives() {
	h.c.t.Helper()
	for range h.n {
		h.c.arrives(h.arrived)
	}
}

func (h heldAnswers) goesOut() { close(h.out) }

// refreshed is how often a refresh token of the imported grant was presented.
func (c *cell) refreshed(l fleet.Link) int { return c.asked(l) }

// looksAgain waits until messages were taken so often that the one under way and
// every other were each looked at and put back.
func (c *cell) looksAgain(deliveries uint64) {
	c.t.Helper()
	n := c.Bus.Names()
	testenv.Eventually(c.t, patience, "the messages are delivered again", func() bool {
		got, err := c.Bus.JetStream().Consumer(c.ctx, n.In(), n.WorkerConsumer(provider))
		return err == nil && got.CachedInfo().Delivered.Consumer >= deliveries
	})
}
