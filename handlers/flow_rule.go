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

// concludeFlow takes an answered flow to its end: look into the answer, rule on
// it, and apply the ruling.
func (h *Handlers) concludeFlow(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(h.Budget.Recovery, h.Budget.DeadlineOnce))
	defer cancel()
	switch {
	case s.Flow.Staged && s.Flow.Found == nil:
		if v, ok := h.open(ctx, j, s.Flow); !ok {
			return v, false
		}
		if j.callback != nil {
			s.Flow = s.Flow.Brought(j.callback.event)
		}
		return h.look(ctx, j, s)
	case s.Flow.Found == nil:
		return h.look(ctx, j, s)
	case s.Flow.Ruling == nil:
		if v, ok := h.openApproved(ctx, j, s.Flow); !ok {
			return v, false
		}
		return h.rule(ctx, j, s)
	default:
		return h.apply(ctx, j, s)
	}
}

// openApproved opens an approved flow's exchange again before it is ruled on, whoever
// found it approved: the link that is to be replaced is told by the write that ends it,
// and a newer consent whose own is open is to drop the hold.
func (h *Handlers) openApproved(ctx context.Context, j *flowJob, f consents.Flow) (inbox.Verdict, bool) {
	if !f.Approved {
		return inbox.Verdict{}, true
	}
	return h.open(ctx, j, f)
}

// rule decides, and writes the ruling into the flow before anything is done about
// it.
func (h *Handlers) rule(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	r, err := h.ruling(ctx, s.Flow)
	if err != nil {
		return h.flowNotWritten(j, err)
	}
	if err := h.updateFlow(ctx, StepRule, s, s.Flow.Rule(r)); err != nil {
		return h.flowNotWritten(j, err)
	}
	return inbox.Verdict{}, true
}

// facts are what a ruling rests on.
type facts struct {
	requested links.Link
	// owner is the link that has the login now; zero where nobody has.
	owner   links.Link
	holder  links.Owner // as the index says, whether or not there is such a link
	subject string
	outAt   time.Time // when the flow's user logged out of everything last
}

func (h *Handlers) ruling(ctx context.Context, f consents.Flow) (consents.Ruling, error) {
	k, err := h.facts(ctx, f)
	if err != nil {
		return consents.Ruling{}, err
	}
	given, err := h.given(ctx, f)
	if given || err != nil || madeFor(f, k.holder) {
		return claimedAgain(f, k.holder), err
	}
	c := h.caseOf(f, k)
	r := consents.Ruling{Verdict: consents.Judge(c), Revision: k.holder.Revision, Comparison: c.Comparison}
	if f.Approved {
		r.Verdict = approved(k)
		if r.Target == consents.ToReserved && len(f.Took) > 0 {
			r.Supersede, r.Displaced = true, f.Took // when it was held; the new link says so
		}
	}
	switch r.Target {
	case consents.ToRequested:
		r.Link = f.Address
	case consents.ToOwner:
		r.Link, r.Comparison = k.owner.Address, events.ComparisonSame // with the owner's login, which it is
	case consents.ToReserved, consents.ToHold:
		r.Link = f.Replacement()
	}
	if given, err := h.refuse(ctx, f, r.Link); given || err != nil {
		return claimedAgain(f, k.holder), err
	}
	// Whoever has the login by the index loses it, also where there is no such link
	// yet: its flow will find itself displaced.
	if was := k.holder.Address; r.Target != consents.ToNobody && was != (events.Address{}) && was != r.Link && was != f.Address {
		r.Displaced = []events.Address{was}
	}
	return r, nil
}

// madeFor says that the login is claimed for the link that the flow is to make.
// Then the ruling stands: a worker that knows no other may be making that link.
func madeFor(f consents.Flow, holder links.Owner) bool {
	if f.Ruling == nil || f.Ruling.Target != consents.ToReserved && f.Ruling.Target != consents.ToHold {
		return false
	}
	return holder.Address == f.Ruling.Link && holder.Order.Equal(f.Order)
}

// claimedAgain is the ruling that there was, on what the index says now.
func claimedAgain(f consents.Flow, holder links.Owner) consents.Ruling {
	r := *f.Ruling
	r.Revision, r.Displaced = holder.Revision, nil
	if was := holder.Address; was != (events.Address{}) && was != r.Link && was != f.Address {
		r.Displaced = []events.Address{was}
	}
	return r
}

// approved is the verdict on a held flow that was agreed to: the login takes the
// place that it was held for, if it still is whose it was.
func approved(k facts) consents.Verdict {
	if k.requested.Hold == nil || k.holder.Address != k.requested.Hold.By {
		return consents.Verdict{Target: consents.ToNobody, Requested: consents.Stays}
	}
	if k.requested.Hold.Exists {
		return consents.Verdict{Target: consents.ToOwner, Requested: consents.Replaced}
	}
	return consents.Verdict{Target: consents.ToReserved, Requested: consents.Replaced}
}

func (h *Handlers) facts(ctx context.Context, f consents.Flow) (k facts, err error) {
	s, err := h.Store.Latest(ctx, f.Address)
	if err != nil && !errors.Is(err, links.ErrNotFound) {
		return k, err
	}
	k.requested, k.subject = s.Link, f.Found.Subject
	if k.outAt, err = h.outAt(ctx, f); err != nil || k.subject == "" {
		return k, err
	}
	if k.holder, err = h.Index.Owner(ctx, f.Tenant, links.Login(f.Provider, k.subject)); err != nil || k.holder.Address == (events.Address{}) {
		return k, err
	}
	s, err = h.Store.Latest(ctx, k.holder.Address)
	if errors.Is(err, links.ErrNotFound) {
		return k, nil
	}
	k.owner = s.Link
	return k, err
}

// caseOf turns facts into a row of the table. An owner that has ended, or that the
// index names for a login which is not its own, has nothing to lose.
func (h *Handlers) caseOf(f consents.Flow, k facts) consents.Case {
	c := consents.Case{
		Live: k.requested.Live(), Comparison: h.compare(f, k), Owner: consents.Nobody,
		Policy:    consents.Policy(h.Providers[f.Provider].Profile().OnDifferentLogin),
		Overtaken: k.requested.Overtakes(f.Order) && !k.requested.Has(f.ID) || k.holder.Order.After(f.Order) || k.outAt.After(f.Order),
	}
	switch o := k.owner; {
	case k.holder.Address == f.Address:
		c.Owner = consents.Itself
	case !o.Live() || o.Subject != k.subject:
		// Its user has logged out of it since, and with it of what it would have got.
		out := o.Status == links.Revoked && o.User == f.User && o.Subject == k.subject
		c.Overtaken = c.Overtaken || out && o.Overtakes(f.Order)
	case o.User == f.User:
		c.Owner = consents.SameUser
	default:
		c.Owner = consents.OtherUser
	}
	if c.Owner == consents.SameUser || c.Owner == consents.OtherUser {
		c.Overtaken = c.Overtaken || (k.owner.Overtakes(f.Order) && !k.owner.Has(f.ID))
	}
	return c
}

// compare holds the login that consented against the live link's own.
func (h *Handlers) compare(f consents.Flow, k facts) events.Comparison {
	own := k.requested
	switch {
	case k.subject == "" || own.Subject == "" || own.ClientID != h.Providers[f.Provider].Profile().ClientID:
		return events.ComparisonUnknown
	case own.Subject == k.subject:
		return events.ComparisonSame
	default:
		return events.ComparisonDifferent
	}
}

// refuse closes the target of the ruling that there was to it, where the tokens are
// not to go there any more: another worker may have been stopped on the way to it,
// and nobody looks after what it does once the flow has ended. It says whether that
// one was faster: then they are given.
func (h *Handlers) refuse(ctx context.Context, f consents.Flow, next events.Address) (given bool, err error) {
	was := f.Ruling
	if was == nil || was.Link == (events.Address{}) || was.Link == next || was.Target == consents.ToHold {
		return false, nil
	}
	_, err = h.change(ctx, was.Link, StepTarget, func(l links.Link) (links.Link, error) {
		given = l.Has(f.ID)
		if given {
			return l, nil
		}
		return l.Refuse(f.ID, was.Number, h.Clock()), nil
	})
	if errors.Is(err, links.ErrNotFound) {
		l := h.awaited(was.Link, f, f.Nickname).Refuse(f.ID, was.Number, h.Clock())
		l.Status = links.Superseded // it never lived, and tells nobody
		err = h.create(ctx, StepTarget, l)
	}
	return given, err
}
