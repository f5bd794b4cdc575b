package handlers

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// linkReplacementDecided ends a hold as somebody decided. A decision that names
// another consent than the held one is without effect: what it was about is over.
func (h *Handlers) linkReplacementDecided(ctx context.Context, a events.Address, e event.Event, m *inbox.Message) (inbox.Verdict, course) {
	data, err := events.As[events.LinkReplacementDecided](e)
	if err != nil {
		return dead(err), course{}
	}
	j := &flowJob{job: jobOf(ctx, a, e, m.StoredAt, events.CauseReconsent)}
	v := h.underLock(ctx, j.job, m.Delivered, func() inbox.Verdict { return h.decide(ctx, j, data, e.ID(), replayedFrom(m)) })
	return v, j.course
}

func (h *Handlers) decide(ctx context.Context, j *flowJob, d events.LinkReplacementDecided, id string, first time.Time) inbox.Verdict {
	s, err := h.Store.Latest(ctx, j.addr)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return inbox.Dead("unknown_link", "link")
	case err != nil:
		return h.unfinished(j.job, err)
	}
	decision := s.Link.DecideHold(d.Consent, d.Decision, first)
	j.decided(decision)
	switch decision.Action {
	case links.Finish:
		return h.withoutHold(ctx, j, s.Link, decision, id)
	case links.Wait:
		return inbox.Later(h.Budget.LockRenew)
	}
	h.tellDecided(j, d)
	if decision.Action == links.LetGo {
		return h.letGo(ctx, j.job, s.Link.Hold, decision.Reason)
	}
	return h.approve(ctx, j, *s.Link.Hold, id)
}

// withoutHold is for a decision on what is not held. Its own approval may be what ended
// the hold, or was under way when a logout or the login's new owner did: then the flow's
// exchange is open still, and nobody else will be sent to finish what it owes.
func (h *Handlers) withoutHold(ctx context.Context, j *flowJob, l links.Link, d links.Decision, id string) inbox.Verdict {
	if l.Exchange != nil {
		s, err := h.Flows.Get(ctx, l.Exchange.Flow)
		if err == nil && s.Flow.Approved && s.Flow.Event == id {
			return h.resume(ctx, j.job, l)
		}
		if err != nil && !errors.Is(err, links.ErrNotFound) {
			return h.unfinished(j.job, err)
		}
	}
	h.logger(j.addr).Info("a decision is without effect", "event", id, "reason", d.Reason)
	return h.finishRead(ctx, j.job, l, d)
}

// tellDecided tells the audit of a decision on what is held, before it is carried out:
// who finds the hold ended does not know any more by whom. What comes of an approval that
// is too late, the link's events say.
func (h *Handlers) tellDecided(j *flowJob, d events.LinkReplacementDecided) {
	h.tell(j.addr, audit.Entry{
		Action: audit.Decided, Cause: j.trace.CausationID, Outcome: string(d.Decision),
		Details: map[string]string{"consent": strconv.FormatUint(d.Consent, 10)},
	})
}

// approve lets a held flow go on where it was stopped.
func (h *Handlers) approve(ctx context.Context, j *flowJob, hold links.Hold, id string) inbox.Verdict {
	j.key = hold.Flow
	s, err := h.Flows.Get(ctx, hold.Flow)
	switch {
	case errors.Is(err, links.ErrNotFound), err == nil && s.Flow.Status == consents.Failed:
		return h.letGo(ctx, j.job, &hold, links.ReasonHoldExpired)
	case err != nil:
		return h.unfinished(j.job, err)
	case s.Flow.Status == consents.Exchanged && !s.Flow.Approved:
		return inbox.Later(h.Budget.LockRenew) // whoever holds it is not finished
	}
	if next, ok := s.Flow.Approve(id); ok {
		if err := h.updateFlow(ctx, StepRule, s, next); err != nil {
			v, again := h.flowNotWritten(j, err)
			if again {
				v = inbox.Later(h.Budget.LockRenew / 10)
			}
			return v
		}
	}
	return h.turnsOfFlow(ctx, j)
}

// letGo ends a hold without a replacement: rejected, or not decided in time. The
// held tokens are dropped, and revoked only where that ends nothing else.
func (h *Handlers) letGo(ctx context.Context, j *job, hold *links.Hold, reason string) inbox.Verdict {
	if hold == nil {
		return inbox.Done()
	}
	was, err := h.endHeld(ctx, *hold, j.addr.Tenant, j.addr.Provider, reason)
	if err != nil {
		return h.unfinished(j, err)
	}
	if was != nil {
		h.Metrics.Consents.WithLabelValues(j.addr.Provider, reason).Inc()
		h.revokeHeld(ctx, *was, *hold)
	}
	return h.finishChange(ctx, &flowJob{job: j}, j.addr, StepDepart, func(l links.Link) (links.Link, error) {
		if l.Hold == nil || l.Hold.ID != hold.ID || (l.Exchange != nil && l.Exchange.Flow == hold.Flow) {
			return l, nil // another one's, or approved
		}
		return l.LetGo(reason, h.origin(j.trace), h.Clock()), nil
	})
}

// revokeHeld gives the tokens of a rejected login back to its provider, once and
// as far as it goes: they are dropped here either way.
func (h *Handlers) revokeHeld(ctx context.Context, f consents.Flow, hold links.Hold) {
	p := h.Providers[f.Provider]
	if hold.Exists || !p.RevokesTokensOnly() {
		return
	}
	tokens, err := h.openFlowTokens(f)
	if err != nil {
		h.logger(f.Address).Warn("the tokens of a rejected login do not open; they are dropped and not revoked", "flow", f.ID, "err", err)
		return
	}
	if err := h.revoke(ctx, f.Address, tokens); err != nil {
		h.logger(f.Address).Warn("the tokens of a rejected login are dropped here; the provider did not revoke them", "flow", f.ID, "err", err)
	}
}
