package handlers_test

import (
	"errors"
	"slices"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/spool"
)

// host is the spool of a cell's worker, and knows what its worker did about it.
type host struct {
	*spooler
	c *cell
}

// Put may be tried again by whoever has the answer in hand.
func (s *host) Put(name string, data []byte) error {
	if !s.c.disk.tried[name] {
		s.c.inHand[name] = time.Now()
	}
	return s.spooler.Put(name, data)
}

func (s *host) Adopt() ([]spool.Entry, error) {
	s.c.searched[s.p] = len(s.c.tasks)
	found, err := s.spooler.Adopt()
	for _, entry := range found {
		s.c.inHand[entry.Name] = time.Now()
	}
	return found, err
}

// Release holds whoever lets go of the answer to a code against G2: as long as its flow
// waits for it, nobody else may have it, and the others' patience ends.
func (s *host) Release(name string) {
	had := time.Since(s.c.inHand[name])
	for _, t := range s.c.trips {
		if f := t.flow(); f.Attempt == name && f.Status == consents.Presented && had < s.c.budget.Recovery {
			s.c.t.Errorf("G2: the answer of flow %s is let go after %v, and not in its record", f.ID, had)
		}
	}
	s.spooler.Release(name)
}

// judgeGivenUp holds a task that gives a flow up against G2: whose answer lies on this
// disk, without anybody who has it in hand, is looked for there first.
func (c *cell) judgeGivenUp(t *task, f consents.Flow) {
	if f.Status != consents.Failed || f.Reason != consents.ReasonOutcomeUnknown || !slices.Contains(c.disk.orphans(), f.Attempt) {
		return
	}
	if c.searched[t.p] <= slices.Index(c.tasks, t) {
		c.t.Errorf("G2: flow %s is given up, its answer lies on the disk, and %s has not looked", f.ID, t.p.name)
	}
}

// judgeDecided holds the end of a hold against what was decided: on this very consent.
func (c *cell) judgeDecided(was, is consents.Flow) {
	var d events.Decision
	switch {
	case was.Status == consents.Held && is.Approved:
		d = events.DecisionApprove
	case is.Status == consents.Failed && is.Reason == links.ReasonRejected:
		d = events.DecisionReject
	default:
		return
	}
	if h := c.book.is[is.Address].Link.Hold; h == nil || h.Flow != is.Key || !c.wasDecided(is.Address, h.Consent, d) {
		c.t.Errorf("flow %s is %s, and nobody said %s of %+v", is.ID, is.Status, d, h)
	}
}

func (c *cell) wasDecided(a events.Address, consent uint64, as events.Decision) bool {
	return slices.ContainsFunc(c.broker.messages, func(m *message) bool {
		d, ok := inputOf[events.LinkReplacementDecided](m)
		return ok && d.Address == a && d.Consent == consent && d.Decision == as
	})
}

// inputOf is what an input says, if it is of that kind.
func inputOf[T events.Data](m *message) (data T, ok bool) {
	_, name, err := events.Subjects{}.ParseIn(m.Subject)
	if err != nil || name != data.EventName() {
		return data, false
	}
	e, err := events.Decode(nil, m.Data)
	data, err2 := events.As[T](e)
	return data, errors.Join(err, err2) == nil
}

// judgeGiven: tokens go where the newest ruling of their flow says, and from a flow that
// has not ended; nobody looks after what a worker does that was stopped on the way.
func (c *cell) judgeGiven(was, is links.Link) {
	for _, t := range c.trips {
		f := t.flow()
		if is.Has(f.ID) && !was.Has(f.ID) && (f.Status != consents.Exchanged || f.Ruling == nil || f.Ruling.Link != is.Address) {
			c.t.Errorf("G3: %s is given the tokens of flow %s, which is %s (%s) and goes to %s", is.Link, f.ID, f.Status, f.Reason, f.Concerns())
		}
	}
}

// judgeClaim: a claim tells how new the consent is that made it, and none is made older.
func (c *cell) judgeClaim(was, is links.Owner) {
	if !is.Order.IsZero() && is.Order.Before(was.Order) { // zero is an import's
		c.t.Errorf("G3: the claim of %s, of a consent of %v, becomes one of %s, of %v", was.Address.Link, was.Order, is.Address.Link, is.Order)
	}
}

// judgeReplay publishes every input once more (G8), and a logout also without a word
// that it is a replay: it is old enough to be one.
func (c *cell) judgeReplay() {
	posts, writes := c.op.posts, c.book.writes
	for _, m := range slices.Clone(c.broker.messages) {
		if m.Stream != "REGRANT_IN" || c.stillMeant(m) || slices.ContainsFunc(c.trips, func(t *trip) bool { return t.lost }) {
			continue
		}
		c.replayed(m)
		if e, err := events.Decode(nil, m.Data); err == nil && !replayable(m) && time.Since(e.Time()) > 6*time.Minute {
			c.again(m)
		}
	}
	c.rest(c.worker("late"))
	if c.op.posts != posts || c.book.writes != writes {
		c.t.Errorf("G8: a replay made %d presentations and %d writes", c.op.posts-posts, c.book.writes-writes)
	}
}

// stillMeant says that an input was not made too early after all, or that nobody can tell:
// a decision on a hold is told to be older by the clock of whoever made the hold.
func (c *cell) stillMeant(m *message) bool {
	first := events.FirstStored(m.Header, m.StoredAt)
	if d, ok := inputOf[events.LinkReplacementDecided](m); ok {
		l := c.book.is[d.Address].Link
		return l.Holds(d.Consent) && !first.Before(l.Hold.At)
	}
	if !slices.Contains(c.mistakes, m) {
		return false
	}
	d, _ := inputOf[events.TokenExpired](m)
	l := c.record(d.Address)
	return d.Generation == l.Generation && !first.Before(l.CommittedAt)
}

// replayable says that a message is an input that a replay leaves without effect.
// A logout that is asked for once more is one more logout.
func replayable(m *message) bool {
	_, name, err := events.Subjects{}.ParseIn(m.Subject)
	return err == nil && name != events.NameLogoutRequested
}

func (c *cell) wantDead(m *message, reason string) {
	c.t.Helper()
	if m.last.Kind != inbox.KindDead || m.last.Reason != reason {
		c.t.Errorf("the input ended with %+v, want a dead letter: %s", m.last, reason)
	}
}
