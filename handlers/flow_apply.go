package handlers

import (
	"cmp"
	"context"
	"errors"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// errRuleAgain means that what a ruling rests on has changed: somebody claimed the
// login first, or has a newer consent to it.
var errRuleAgain = errors.New("the ruling is out of date")

// apply carries a ruling out: the claim on the login first, then the link that the
// tokens go to, then the links that lose the login, by compare-and-set and without
// their locks; then the flow ends, and last the requested link's exchange, by which
// unfinished work is found. Every step is idempotent by the consent's id, so
// whoever resumes begins anew (model: login.pml).
func (h *Handlers) apply(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	f := s.Flow
	switch err := h.carryOut(ctx, j, f); {
	case errors.Is(err, errRuleAgain):
		return h.rule(ctx, j, s)
	case err != nil:
		return h.flowNotWritten(j, err)
	}
	if f.Ruling.Target == consents.ToNobody {
		return h.fail(ctx, j, s, consents.ReasonNewerConsent)
	}
	next := f.Apply()
	if f.Ruling.Requested == consents.IsHeld {
		next = f.Wait(h.heldUntil(f))
	}
	if err := h.updateFlow(ctx, StepEnd, s, next); err != nil {
		return h.flowNotWritten(j, err)
	}
	h.Metrics.Consents.WithLabelValues(f.Provider, string(next.Status)).Inc()
	h.logger(f.Address).Info("consent applied", "flow", f.ID, "target", f.Ruling.Target, "to", f.Ruling.Link.Link,
		"requested", f.Ruling.Requested, "comparison", f.Ruling.Comparison)
	h.tellPassed(next)
	return h.settled(ctx, j, next), false
}

// tellPassed tells the audit that a flow's consent reached its link, or is held.
func (h *Handlers) tellPassed(f consents.Flow) {
	h.tellFlow(toldOf(f), f.ID, audit.Entry{Action: audit.ConsentPassed, Cause: f.Event, Outcome: string(f.Status)})
}

// tellPassedAgain is for whoever finds a flow at its end that may not have been told of:
// its input comes again, or its exchange was left open.
func (h *Handlers) tellPassedAgain(j *flowJob, f consents.Flow) {
	if f.Ruling != nil && (j.callback == nil || j.again && j.callback.event == f.Event) {
		h.tellPassed(f)
	}
}

// toldOf is the link that a flow's consent was given to, or that waits for it.
func toldOf(f consents.Flow) events.Address {
	if f.Ruling.Target == consents.ToHold {
		return f.Address
	}
	return f.Ruling.Link
}

func (h *Handlers) carryOut(ctx context.Context, j *flowJob, f consents.Flow) error {
	for _, step := range []func(context.Context, *flowJob, consents.Flow) error{
		h.claim, h.toTarget, h.displace, h.lookAgain, h.outSince,
	} {
		if err := step(ctx, j, f); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the target the login's owner, at the revision of the index that was
// ruled on. From then on no other flow overlooks this one. A target that owns the
// login by an older consent claims it again: an even older flow that was ruled
// before may be about to take it.
func (h *Handlers) claim(ctx context.Context, _ *flowJob, f consents.Flow) error {
	r := f.Ruling
	if f.Found.Subject == "" || r.Target == consents.ToNobody {
		return nil
	}
	name := links.Login(f.Provider, f.Found.Subject)
	owner, err := h.Index.Owner(ctx, f.Tenant, name)
	switch {
	case err != nil:
		return err
	case owner.Address == r.Link && !owner.Order.Before(f.Order):
		return nil // by a newer consent of its own, maybe: then the record will say so
	case owner.Address != r.Link && (owner.Revision != r.Revision || owner.Order.After(f.Order)):
		if given, err := h.given(ctx, f); given || err != nil {
			return err // what was claimed since, lookAgain judges
		}
		return errRuleAgain
	}
	by := links.Owner{Address: r.Link, Order: f.Order, Revision: owner.Revision}
	err = h.Probe.around(StepClaim, f.Address, func() error { return h.Index.Take(ctx, f.Tenant, name, by) })
	if errors.Is(err, links.ErrConflict) {
		return errRuleAgain
	}
	return err
}

// toTarget gives the tokens to the link that they belong to, which may not exist
// yet. A login that it had before stays claimed by it, as by every link that ends: a
// claim tells how new the consent is that made it, and an owner without the login
// has nothing to lose. Given back, it might be one that was made again meanwhile.
func (h *Handlers) toTarget(ctx context.Context, j *flowJob, f consents.Flow) error {
	r := f.Ruling
	if r.Target == consents.ToNobody || r.Target == consents.ToHold {
		return nil
	}
	give := func(l links.Link) (links.Link, error) {
		switch {
		case l.Has(f.ID):
			return l, nil
		case l.Overtakes(f.Order), l.Refuses(f.ID, r.Number), r.Target == consents.ToOwner && !l.Live():
			return l, errRuleAgain
		}
		if err := h.dropHeld(ctx, l, f); err != nil {
			return l, err
		}
		return h.consented(j, f, l)
	}
	_, err := h.change(ctx, r.Link, StepTarget, give)
	if errors.Is(err, links.ErrNotFound) {
		err = h.toNew(ctx, f, give)
	}
	return err
}

func (h *Handlers) toNew(ctx context.Context, f consents.Flow, give func(links.Link) (links.Link, error)) error {
	nickname := f.Nickname
	if s, err := h.Store.Latest(ctx, f.Address); err == nil {
		nickname = cmp.Or(nickname, s.Link.Nickname)
	}
	l, err := give(h.awaited(f.Ruling.Link, f, nickname))
	if err != nil {
		return err
	}
	return h.create(ctx, StepTarget, l)
}

// consented is the target's record with the consent in it.
func (h *Handlers) consented(j *flowJob, f consents.Flow, l links.Link) (links.Link, error) {
	tokens, err := h.openFlowTokens(f)
	if err != nil {
		return l, err
	}
	found, r := *f.Found, f.Ruling
	g := found.Grant
	g.Comparison = string(r.Comparison)
	if l.Live() {
		if err := h.inherit(l, f, &tokens, &g); err != nil {
			return l, err
		}
	}
	if g.Sealed, err = SealTokens(h.Keys, l.Address, l.Numbered(), l.Generation+1, tokens); err != nil {
		return l, err
	}
	c := links.Completed{
		Flow: f.Key, ID: f.ID, Event: f.Event, Order: f.Order, Late: f.Late, Subject: found.Subject, Customer: found.Customer,
		ClientID: h.Providers[f.Provider].Profile().ClientID, Nickname: f.Nickname, Accounts: found.Accounts, AccountsUnknown: found.AccountsUnknown, Grant: g,
	}
	if r.Link != f.Address {
		c.Requested = &f.Address
	}
	if r.Target == consents.ToOwner && !f.New {
		c.Nickname = "" // it names the link that was asked for
	}
	if r.Supersede && len(r.Displaced) > 0 {
		c.Supersedes = &r.Displaced[0]
	}
	return l.Reconsent(c, h.origin(j.trace), h.Clock(), h.rules[f.Provider], h.Random()), nil
}

// inherit takes over from a live link's tokens what the answer left out. A
// provider that gives a refresh token at the first consent only means the old one
// to go on, which holds for the same login alone. Tokens whose key this worker lacks
// are waited for: what it left out here would be lost.
func (h *Handlers) inherit(l links.Link, f consents.Flow, t *links.Tokens, g *links.Grant) error {
	old, err := h.openTokens(l)
	if errors.Is(err, seal.ErrUnknownKey) {
		return err
	}
	if err != nil {
		h.logger(l.Address).Warn("the link's earlier tokens do not open; nothing is taken over from them", "err", err)
		return nil
	}
	g.ClaimsChanged = changed(old.Claims, t.Claims)
	if l.Subject == "" || l.Subject != f.Found.Subject {
		return nil
	}
	t.APIKey, g.APIKey = old.APIKey, !old.APIKey.IsZero()
	if t.Refresh.IsZero() {
		t.Refresh = old.Refresh
		g.Refreshable = !t.Refresh.IsZero()
	}
	return nil
}

// displace ends the links that lose the login. What owns it by now has not lost it.
func (h *Handlers) displace(ctx context.Context, j *flowJob, f consents.Flow) error {
	if len(f.Ruling.Displaced) == 0 {
		return nil
	}
	owner, err := h.Index.Owner(ctx, f.Tenant, links.Login(f.Provider, f.Found.Subject))
	if err != nil {
		return err
	}
	by, user := f.Ruling.Link, f.User
	if f.Ruling.Target == consents.ToNobody {
		if by = owner.Address; by == (events.Address{}) {
			return nil
		}
		if user, err = h.userOf(ctx, by); err != nil {
			return err
		}
	}
	for _, a := range f.Ruling.Displaced {
		if a == f.Ruling.Link || a == owner.Address || by == (events.Address{}) {
			continue
		}
		if err := h.supersede(ctx, j, f, a, by, user); err != nil {
			return err
		}
	}
	return nil
}

// userOf is whose a link is; of one that is not there yet, nobody knows, and it counts
// as another user's: that says the least.
func (h *Handlers) userOf(ctx context.Context, a events.Address) (string, error) {
	s, err := h.Store.Latest(ctx, a)
	if errors.Is(err, links.ErrNotFound) {
		return "", nil
	}
	return s.Link.User, err
}

// supersede ends one link that lost the login to another one, of the user given.
func (h *Handlers) supersede(ctx context.Context, j *flowJob, f consents.Flow, a, by events.Address, user string) error {
	_, err := h.change(ctx, a, StepDisplace, func(l links.Link) (links.Link, error) {
		if !l.Live() || l.Subject != f.Found.Subject || l.Overtakes(f.Order) {
			return l, nil
		}
		if err := h.dropHeld(ctx, l, f); err != nil {
			return l, err
		}
		t := takenBy(f, by)
		t.Flow, t.Reason = "", events.ReplacedOtherOwner
		if l.User == user {
			t.Reason = events.ReplacedSameLogin
		}
		return l.Lose(t, h.origin(j.trace), h.Clock()), nil
	})
	if errors.Is(err, links.ErrNotFound) {
		return nil
	}
	return err
}

func takenBy(f consents.Flow, by events.Address) links.Taken {
	return links.Taken{
		Flow: f.Key, ID: f.ID, Order: f.Order, By: by, Reason: events.ReplacedDifferentLogin,
		Subject: f.Found.Subject, Customer: f.Found.Customer, Scopes: f.Found.Grant.Scopes,
		Accounts: f.Found.Accounts, AccountsKnown: f.Found.AccountsUnknown == "" && f.Found.Accounts != nil,
	}
}

// toRequested does to the link that the flow was begun for what the ruling says,
// by the write that ends its exchange.
func (h *Handlers) toRequested(ctx context.Context, j *flowJob, f consents.Flow) error {
	r := f.Ruling
	var is links.Link
	_, err := h.change(ctx, f.Address, StepDepart, func(l links.Link) (links.Link, error) {
		is = l
		if !l.Exchanging(f.Key) || f.Status == consents.Held && l.WasHeldFor(f.ID) {
			return l, nil // closed, and maybe opened again by an approval
		}
		held := r.Requested == consents.IsHeld
		if r.Link == f.Address || r.Requested == consents.Stays || l.Overtakes(f.Order) || held && l.Status.Ended() {
			is = l.Close(f.Key)
			return is, nil
		}
		if err := h.dropHeld(ctx, l, f); err != nil {
			return l, err
		}
		t, o, now := takenBy(f, r.Link), h.origin(j.trace), h.Clock()
		if l.Generation == 0 {
			t.Reason = events.ReplacedSameLogin // it never had a login that could differ
		}
		if held {
			is = l.HoldFor(t, r.Target == consents.ToOwner, f.HeldUntil, o, now)
		} else {
			is = l.Lose(t, o, now)
		}
		return is, nil
	})
	switch {
	case errors.Is(err, links.ErrNotFound):
		return nil
	case err == nil && f.Status == consents.Held && (is.Hold == nil || is.Hold.Flow != f.Key):
		return h.neverHeld(ctx, f)
	default:
		return err
	}
}

// neverHeld ends a held flow whose link has a newer consent: there is no hold for
// anybody to decide on.
func (h *Handlers) neverHeld(ctx context.Context, f consents.Flow) error {
	_, err := h.endHeld(ctx, links.Hold{
		Flow: f.Key, By: f.Ruling.Link, Exists: f.Ruling.Target == consents.ToOwner, Subject: f.Found.Subject,
	}, f.Tenant, f.Provider, reasonDropped)
	return err
}

// given says whether the flow's target has its tokens. From then on they go nowhere
// else, whatever has changed.
func (h *Handlers) given(ctx context.Context, f consents.Flow) (bool, error) {
	if f.Ruling == nil || f.Ruling.Link == (events.Address{}) {
		return false, nil
	}
	s, err := h.Store.Latest(ctx, f.Ruling.Link)
	if errors.Is(err, links.ErrNotFound) {
		return false, nil
	}
	return s.Link.Has(f.ID), err
}

// lookAgain asks the index once more who owns the login. Whoever claimed it since
// may have looked for this link before it was there, so it ends itself. A claim that
// is older was an import's, or none was left: the login is claimed again.
func (h *Handlers) lookAgain(ctx context.Context, j *flowJob, f consents.Flow) error {
	r, subject := f.Ruling, f.Found.Subject
	if subject == "" || r.Target == consents.ToNobody || r.Target == consents.ToHold {
		return nil
	}
	k, err := h.facts(ctx, f)
	if err != nil || k.holder.Address == r.Link {
		return err
	}
	if !k.holder.Order.Before(f.Order) {
		return h.supersede(ctx, j, f, r.Link, k.holder.Address, k.owner.User)
	}
	is, err := h.Store.Latest(ctx, r.Link)
	if err == nil && is.Link.Live() && is.Link.Subject == subject && !is.Link.Overtakes(f.Order) {
		return errRuleAgain
	}
	return err
}
