package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// turnsOfFlow is run for a consent flow, under the same flight and the same lock as
// every refresh of the link: read, do the next step, and read again.
func (h *Handlers) turnsOfFlow(ctx context.Context, j *flowJob) inbox.Verdict {
	for range maxTurns {
		if v, again := h.turnOfFlow(ctx, j); !again {
			return v
		}
	}
	return inbox.Later(h.Budget.LockRenew)
}

// turnOfFlow does the next step of a flow, by the state that its record is in.
func (h *Handlers) turnOfFlow(ctx context.Context, j *flowJob) (inbox.Verdict, bool) {
	s, err := h.Flows.Get(ctx, j.key)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return h.forgotten(ctx, j)
	case err != nil:
		return h.flowNotWritten(j, err)
	}
	j.named(s.Flow)
	if j.course == (course{}) {
		j.course = courseOfFlow(s.Flow)
	}
	switch s.Flow.Status {
	case consents.Pending:
		return h.begin(ctx, j, s)
	case consents.Presented:
		return h.watch(ctx, j, s)
	case consents.Exchanged:
		return h.concludeFlow(ctx, j, s)
	case consents.Failed:
		return h.failed(ctx, j, s.Flow), false
	default:
		h.tellPassedAgain(j, s.Flow)
		return h.settled(ctx, j, s.Flow), false
	}
}

// named makes every event that comes of a flow name it, and the input that brought
// its code, whoever goes on with it.
func (j *flowJob) named(f consents.Flow) {
	j.trace.CorrelationID = f.ID
	if f.Event != "" {
		j.trace.CausationID = f.Event
	}
}

// forgotten ends the exchange of a flow whose record is gone: kept for as long as
// inputs live, it can only have been removed by hand.
func (h *Handlers) forgotten(ctx context.Context, j *flowJob) (inbox.Verdict, bool) {
	h.logger(j.addr).Error("the record of a consent flow is gone; its exchange is closed without it")
	return h.finishChange(ctx, j, j.addr, StepDepart, func(l links.Link) (links.Link, error) { return l.Close(j.key), nil }), false
}

// watch waits for somebody's presentation to end. One that has had its time is
// given up: nobody knows whether the code was taken, and it is not shown again.
func (h *Handlers) watch(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	switch sight := h.sights.see(s.Flow.Attempt, h.Clock(), j.patiences()); sight.Standing {
	case links.Watched:
		return inbox.Later(max(min(sight.Rest, h.Budget.LockRenew/2), time.Millisecond)), false
	case links.Unsent:
		return h.takeBack(ctx, j, s, h.Budget.LockRenew)
	default:
		return h.giveUp(ctx, j, s)
	}
}

// giveUp ends a flow whose answer nobody brought. It looks for it on this host's
// disk first: patience ends before the next round of adoption may have begun, and
// nobody is to be told of a failure that is none. Found there, the flow has moved
// on, and the write is refused.
func (h *Handlers) giveUp(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	if err := h.Adopt(ctx); err != nil {
		h.logger(j.addr).Warn("not every spooled answer could be finished; a consent flow is given up beside them", "flow", s.Flow.ID, "err", err)
	}
	return h.fail(ctx, j, s, consents.ReasonOutcomeUnknown)
}

// fail ends a flow; the next turn tells its link.
func (h *Handlers) fail(ctx context.Context, j *flowJob, s consents.Stored, reason string) (inbox.Verdict, bool) {
	next, ok := s.Flow.Fail(reason)
	if !ok {
		return inbox.Verdict{}, true
	}
	if err := h.updateFlow(ctx, StepFail, s, next); err != nil {
		return h.flowNotWritten(j, err)
	}
	h.Metrics.Consents.WithLabelValues(j.addr.Provider, reason).Inc()
	h.logger(j.addr).Warn("a consent flow failed; the link is as it was", "flow", s.Flow.ID, "reason", reason)
	return inbox.Verdict{}, true
}

// failed tells the link of a failed flow, once: as long as its exchange is open. A
// flow that was overtaken may have displaced others before: theirs is finished first.
func (h *Handlers) failed(ctx context.Context, j *flowJob, f consents.Flow) inbox.Verdict {
	if err := h.finishAll(ctx, f.Concerns()[1:]); err != nil {
		return h.unfinished(j.job, err)
	}
	return h.finishChange(ctx, j, f.Address, StepDepart, func(l links.Link) (links.Link, error) {
		if !l.Exchanging(f.Key) {
			return l, nil
		}
		if s, err := h.Flows.Get(ctx, f.Key); err != nil || s.Flow.Status != consents.Failed {
			return l, err // its answer came after all, and opened the exchange again
		}
		return l.ConsentFailed(*l.Exchange, f.Reason, h.origin(j.trace), h.Clock()), nil
	})
}

// settled finishes what an applied or held flow may still owe. Whoever owed it may
// be dead, and the requested link's exchange, or hold, leads to it: so that ends
// only when timers and events of the other links are stored, and its own link,
// which every message and timer of it finds, comes last.
func (h *Handlers) settled(ctx context.Context, j *flowJob, f consents.Flow) inbox.Verdict {
	if f.Ruling == nil {
		return inbox.Done()
	}
	requested, others := f.Concerns()[:1], f.Concerns()[1:]
	for _, do := range []func() error{
		func() error { return h.finishAll(ctx, others) },
		func() error { return h.toRequested(ctx, j, f) },
		func() error { return h.finishAll(ctx, requested) },
	} {
		if err := do(); err != nil {
			return h.unfinished(j.job, err)
		}
	}
	h.Probe.at(StepAck, Before, j.addr)
	return inbox.Done()
}

func (h *Handlers) finishAll(ctx context.Context, concerned []events.Address) error {
	for _, a := range concerned {
		s, err := h.Store.Latest(ctx, a)
		if errors.Is(err, links.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := h.fin.finish(ctx, s.Link, everythingMayBeStored, true); err != nil {
			return err
		}
	}
	return nil
}

// updateFlow is the compare-and-set of a flow's step.
func (h *Handlers) updateFlow(ctx context.Context, step Step, s consents.Stored, next consents.Flow) error {
	return h.Probe.around(step, next.Address, func() error {
		_, err := h.Flows.Update(ctx, next, s.Revision)
		return err
	})
}

// flowNotWritten is notWritten for what belongs to a flow: lost to somebody else,
// or not known.
func (h *Handlers) flowNotWritten(j *flowJob, err error) (inbox.Verdict, bool) {
	if errors.Is(err, links.ErrConflict) {
		return inbox.Verdict{}, true
	}
	h.logger(j.addr).Warn("a consent flow is not finished; trying again", "err", err)
	return inbox.Later(h.Budget.LockRenew), false
}

// change applies a transition to a link's record, by compare-and-set and without
// its lock, reading and applying it again until it holds. A transition that
// returns the record as it is makes no write.
func (h *Handlers) change(ctx context.Context, a events.Address, step Step, do func(links.Link) (links.Link, error)) (links.Link, error) {
	for {
		s, err := h.Store.Latest(ctx, a)
		if err != nil {
			return links.Link{}, err
		}
		next, err := do(s.Link)
		if err != nil || next.DueNumber == s.Link.DueNumber && next.EventNumber == s.Link.EventNumber {
			return s.Link, err // every transition used here raises one of them
		}
		written, err := h.update(ctx, step, s, next)
		if err == nil {
			return written.Link, nil
		}
		if !errors.Is(err, links.ErrConflict) || ctx.Err() != nil {
			return links.Link{}, err
		}
	}
}

// finishChange makes a change and finishes what it decided.
func (h *Handlers) finishChange(ctx context.Context, j *flowJob, a events.Address, step Step, do func(links.Link) (links.Link, error)) inbox.Verdict {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	l, err := h.change(ctx, a, step, do)
	if errors.Is(err, links.ErrNotFound) {
		return inbox.Done() // nobody was told of it yet
	}
	if err == nil {
		err = h.fin.finish(ctx, l, everythingMayBeStored, true)
	}
	if err != nil {
		return h.unfinished(j.job, err)
	}
	h.Probe.at(StepAck, Before, a)
	return inbox.Done()
}
