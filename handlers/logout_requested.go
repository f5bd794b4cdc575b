package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/tracing"
)

// The reasons of link-revoked that this package gives.
const (
	reasonLogout     = "logout"
	reasonUserLogout = "user_logout"
)

// revokeTries is how often a provider that cannot be reached is asked to revoke. Our
// copy goes either way: a logout does not wait for a provider that is down.
const revokeTries = 3

// logoutRequested ends a link, or all links of its user: each of the others gets an
// input of its own, so that each is ended in its own order.
func (h *Handlers) logoutRequested(ctx context.Context, a events.Address, e event.Event, m *inbox.Message) (inbox.Verdict, course) {
	data, err := events.As[events.LogoutRequested](e)
	if err != nil {
		return dead(err), course{}
	}
	j := jobOf(ctx, a, e, requestedAt(e.Time(), events.FirstStored(m.Header, m.StoredAt)), "")
	v := h.underLock(ctx, j, m.Delivered, func() inbox.Verdict { return h.logout(ctx, j, data.Scope, e, m) })
	return v, j.course
}

// replayedAfter is how much older than its message an input's own time must be to
// count: less is a clock that is wrong, and a logout must not be missed for that.
const replayedAfter = 5 * time.Minute

// requestedAt is the moment of a request: when it was stored first, or its own time
// where it was stored long after it was made, which is a replay that does not say so.
// What was consented to since is not logged out of again (G8).
func requestedAt(at, storedAt time.Time) time.Time {
	if !at.IsZero() && at.Before(storedAt.Add(-replayedAfter)) {
		return at
	}
	return storedAt
}

func (h *Handlers) logout(ctx context.Context, j *job, scope events.LogoutScope, e event.Event, m *inbox.Message) inbox.Verdict {
	reason := reasonLogout
	if e.Source() == h.Source {
		reason = reasonUserLogout // asked for by forward, or by outSince
	}
	s, err := h.Store.Latest(ctx, j.addr)
	switch {
	case errors.Is(err, links.ErrNotFound) && reason == reasonUserLogout:
		return inbox.Done() // not made yet: whoever makes it looks for the logout
	case errors.Is(err, links.ErrNotFound):
		return inbox.Dead("unknown_link", "link")
	case err != nil:
		return h.unfinished(j, err)
	}
	d := s.Link.DecideLogout(j.storedAt)
	if j.course, err = h.courseOfLogout(ctx, s.Link, scope, j.storedAt); err != nil {
		return h.unfinished(j, err)
	}
	if scope == events.LogoutUser {
		if err := h.leave(ctx, j, s.Link, e, m); err != nil {
			return h.unfinished(j, err)
		}
	}
	if d.Action == links.Finish {
		h.tellRevokedAgain(j, s.Link)
		return h.finishRead(ctx, j, s.Link, d)
	}
	atProvider, again := h.revokeGrant(ctx, s.Link, m.Delivered)
	if again {
		return inbox.Later(h.Budget.LockRenew)
	}
	return h.clearLink(ctx, j, reason, atProvider)
}

// clearLink ends the link here: its tokens, and the replacement that it was held
// for. The index names it still, which hinders nobody from linking the login and
// keeps a consent that is older than this link's from coming after it.
func (h *Handlers) clearLink(ctx context.Context, j *job, reason string, atProvider bool) inbox.Verdict {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	var was links.Link
	l, err := h.change(ctx, j.addr, StepJudge, func(l links.Link) (links.Link, error) {
		was = l
		if l.DecideLogout(j.storedAt).Action == links.Finish {
			return l, nil // a consent came after the request
		}
		if l.Hold != nil {
			if _, err := h.endHeld(ctx, *l.Hold, l.Tenant, l.Provider, reasonDropped); err != nil {
				return l, err
			}
		}
		return l.Revoke(reason, atProvider, j.storedAt, h.origin(j.trace), h.Clock()), nil
	})
	if err != nil {
		return h.unfinished(j, err)
	}
	h.logger(j.addr).Info("link logged out", "reason", reason, "at_provider", atProvider)
	h.tellRevoked(j, was, l, atProvider)
	return h.finishWrite(ctx, j, was, l)
}

// tellRevoked tells the audit of a link that has just ended, and where.
func (h *Handlers) tellRevoked(j *job, was, l links.Link, atProvider bool) {
	if l.Status != links.Revoked || was.Status == links.Revoked {
		return // a consent came after the request
	}
	h.tell(j.addr, revokedEntry(j, was, atProvider))
}

// tellRevokedAgain tells of a link that an earlier delivery ended: its worker may have died
// before it told anybody. The record has the event until its next write.
func (h *Handlers) tellRevokedAgain(j *job, l links.Link) {
	if !j.again {
		return
	}
	for _, entry := range l.Outbox {
		e, err := events.Decode(nil, entry.Event)
		if err != nil || events.CauseOf(e) != j.trace.CausationID {
			continue
		}
		if d, err := events.As[events.LinkRevoked](e); err == nil {
			h.tell(j.addr, revokedEntry(j, l, d.AtProvider))
		}
	}
}

func revokedEntry(j *job, l links.Link, atProvider bool) audit.Entry {
	e := audit.Entry{Action: audit.Revoked, Cause: j.trace.CausationID, Generation: l.Generation, Fingerprint: l.Fingerprint, Outcome: "here_only"}
	if atProvider {
		e.Outcome = "at_provider"
	}
	return e
}

// revokeGrant asks the provider to end the link's grant, unless that would end
// somebody else's: of a login that another user has now, or of a link at another
// provider of the same registration.
func (h *Handlers) revokeGrant(ctx context.Context, l links.Link, delivered uint64) (revoked, again bool) {
	if !l.Live() || len(l.Sealed) == 0 {
		return false, false
	}
	shared, err := h.sharesGrant(ctx, l)
	if err != nil {
		return false, delivered < revokeTries
	}
	if shared {
		h.logger(l.Address).Info("the grant is not revoked at the provider: another live link shares it")
		return false, false
	}
	tokens, err := h.openTokens(l)
	if errors.Is(err, seal.ErrUnknownKey) && delivered < revokeTries {
		h.logger(l.Address).Error("the link's tokens do not open with this worker's keys; the logout waits for one that has them", "err", err)
		return false, true
	}
	if err != nil {
		h.logger(l.Address).Error("the link's tokens do not open; they are dropped and not revoked at the provider", "err", err)
		return false, false
	}
	if err = h.revoke(ctx, l.Address, tokens); err == nil {
		return true, false
	}
	h.logger(l.Address).Warn("the provider did not revoke the grant", "err", err)
	return false, problem(err) == events.AccountsUnreachable && delivered < revokeTries
}

// revokeLate ends what a refresh brought after its link was logged out. Nobody else
// will ever hold these tokens, so who gives up after a few tries leaves a grant behind
// that only its own clock ends.
func (h *Handlers) revokeLate(ctx context.Context, l links.Link, s saved) {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Recovery)
	defer cancel()
	log := h.logger(l.Address).With("attempt", s.Attempt)
	if shared, err := h.sharesGrant(ctx, l); shared || err != nil {
		log.Warn("tokens that came after the logout are dropped and not revoked: another live link may share the grant", "err", err)
		return
	}
	t := links.Tokens{Refresh: s.answer.RefreshToken, Access: s.answer.AccessToken}
	for try := 1; ; try++ {
		err := h.revoke(ctx, l.Address, t)
		if err == nil {
			log.Info("tokens that came after the logout are revoked")
			return
		}
		if try == revokeTries || ctx.Err() != nil || problem(err) != events.AccountsUnreachable {
			log.Warn("tokens that came after the logout are dropped; the provider did not revoke them", "err", err)
			return
		}
		await(ctx, nil, h.Budget.LockRenew)
	}
}

// revoke asks a provider to end what the tokens belong to, by the refresh token
// where there is one (RFC 7009).
func (h *Handlers) revoke(ctx context.Context, a events.Address, t links.Tokens) error {
	token, hint := t.Refresh, "refresh_token"
	if token.IsZero() {
		token, hint = t.Access, "access_token"
	}
	ctx, span := h.Tracer.Call(ctx, "revoke", a)
	err := h.Providers[a.Provider].Revoke(ctx, token, hint)
	span.End(tracing.Unless(err, "not_revoked"))
	return err
}

// sharesGrant says whether revoking may end another live link: revocation is known
// to end one token alone, or nobody else has this login under this registration.
func (h *Handlers) sharesGrant(ctx context.Context, l links.Link) (bool, error) {
	if l.Subject == "" || h.Providers[l.Provider].RevokesTokensOnly() {
		return false, nil
	}
	for name := range h.Providers {
		owner, err := h.Index.Owner(ctx, l.Tenant, links.Login(name, l.Subject))
		if err != nil {
			return false, err
		}
		if owner.Address == (events.Address{}) || owner.Address == l.Address {
			continue
		}
		s, err := h.Store.Latest(ctx, owner.Address)
		if err == nil && s.Link.Live() {
			return true, nil
		}
		if err != nil && !errors.Is(err, links.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}
