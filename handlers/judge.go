package handlers

import (
	"context"
	"errors"

	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// judge performs the decisions that change the record without a presentation:
// one compare-and-set, then timer and outbox.
func (h *Handlers) judge(ctx context.Context, j *job, stored links.Stored, view links.View, d links.Decision) (inbox.Verdict, bool) {
	l := stored.Link.Seen(j.trigger)
	next, step := decided(l, view, d, h.origin(j.trace))
	if d.Action == links.GiveUp || d.Action == links.Condemn {
		kept, promoted, err := h.promote(ctx, l, j, worthATry(l, d))
		if err != nil {
			return h.unfinished(j, err), false
		}
		if dropped := len(kept.Kept) < len(l.Kept) && !promoted; dropped {
			_, err := h.update(ctx, StepJudge, stored, kept) // and decide without what was dropped
			return h.writtenOrNot(j, err)
		}
		if promoted {
			next = kept
		}
	}
	if d.Action != links.Ask && l.Undecided(next) {
		next = l.HoldVerdict("", links.ReasonGrantDead, view.Now, view.Rules, view.Jitter)
	}
	if d.Action != links.Condemn && l.MayTryLastChance(next, view.Rules) {
		return h.present(ctx, j, stored, links.Attempt{Last: true})
	}
	if _, err := h.update(ctx, step, stored, next); err != nil {
		return h.notWritten(j, err)
	}
	h.report(j, l, next, d)
	return h.finishWrite(ctx, j, l, next), false
}

// worthATry is the generation of the candidates that may take the grant's place: of
// this one while its outcome is unknown, of any where nothing is left.
func worthATry(l links.Link, d links.Decision) uint64 {
	if d.Action == links.Condemn || l.Doomed != "" {
		return anyGeneration
	}
	return l.Generation
}

// decided is the record after a decision. Pure.
func decided(l links.Link, view links.View, d links.Decision, o links.Origin) (next links.Link, step Step) {
	switch d.Action {
	case links.GiveUp:
		return l.GiveUp(view, o), StepJudge
	case links.Mark:
		return l.Mark(view, o), StepJudge
	case links.Condemn:
		return l.Despair(d.Reason, o, view.Now), StepJudge
	case links.Ask:
		return l.Prompted(view.Rules, o, view.Now), StepJudge
	case links.Defer:
		return l.HoldVerdict("", d.Reason, view.Now, view.Rules, view.Jitter), StepJudge
	case links.Reject:
		return l.Reject(view, o), StepJudge
	case links.Postpone:
		return l.Postpone(view.Now, view.Rules, view.Jitter), StepJudge
	default: // Clear
		cur, _ := l.Current()
		next, _ = l.Clear(cur.ID, view.Now, view.Now, view.Rules, view.Jitter)
		return next, StepClear
	}
}

// update is the compare-and-set of a decision. It returns the record as written.
func (h *Handlers) update(ctx context.Context, s Step, stored links.Stored, next links.Link) (links.Stored, error) {
	written := links.Stored{Link: next.Settled(h.known.of(next.Address).stored)}
	err := h.Probe.around(s, next.Address, func() (err error) {
		written.Revision, err = h.Store.Update(ctx, written.Link, stored.Revision)
		return err
	})
	switch {
	case err == nil:
		h.Metrics.ended(stored.Link, written.Link)
	case errors.Is(err, links.ErrConflict):
		h.Metrics.Conflicts.WithLabelValues(next.Provider, string(s)).Inc()
	}
	return written, err
}

// notWritten: somebody else wrote, so decide again, on what is true where writes
// are decided (a follower may still show what was just refused); or the store did
// not say, so read what it did when it is back. Nothing is acked.
func (h *Handlers) notWritten(j *job, err error) (inbox.Verdict, bool) {
	if errors.Is(err, links.ErrConflict) {
		j.fresh, j.course = true, course{}
		return inbox.Verdict{}, true
	}
	h.logger(j.addr).Warn("the link's record was not written; trying again", "err", err)
	return inbox.Later(h.Budget.LockRenew), false
}

// writtenOrNot is notWritten for a write after which the record is decided on again.
func (h *Handlers) writtenOrNot(j *job, err error) (inbox.Verdict, bool) {
	if err == nil {
		return inbox.Verdict{}, true
	}
	return h.notWritten(j, err)
}

func (h *Handlers) report(j *job, was, next links.Link, d links.Decision) {
	if was.Status == next.Status {
		return
	}
	h.Metrics.Verdicts.WithLabelValues(j.addr.Provider, string(next.Status)).Inc()
	log := h.logger(j.addr).With("from", was.Status, "to", next.Status, "generation", next.Generation, "reason", d.Reason)
	switch next.Status {
	case links.Uncertain:
		log.Warn("outcome of a refresh is unknown; the old bearer is served while it may live")
	case links.ConsentRequired:
		log.Warn("the link needs its user's consent")
	default:
		log.Info("link changed")
	}
}
