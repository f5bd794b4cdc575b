package handlers

import (
	"context"
	"errors"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// request is what a grant presents of a link. The credentials of a session are
// asked for here, before anything is intended: without them nothing is.
func (h *Handlers) request(ctx context.Context, l links.Link, by links.GrantType, t links.Tokens) (providers.Request, error) {
	r := providers.Request{Grant: providers.Grant(by), Scopes: l.Scopes}
	switch by {
	case links.GrantRefreshToken:
		r.RefreshToken = t.Refresh
	case links.GrantAPIKey:
		r.APIKey = t.APIKey
	case links.GrantPassword:
		c, err := h.credential(ctx, l)
		if err != nil {
			return r, err
		}
		r.Username, r.Password = c.Username, c.Password
	}
	return r, nil
}

// missing says that a grant's credentials could not be had, and why.
type missing struct {
	reason string
	err    error
}

func (m *missing) Error() string { return "credentials: " + m.reason }
func (m *missing) Unwrap() error { return m.err }

func (h *Handlers) credential(ctx context.Context, l links.Link) (c credentials.Credential, err error) {
	if h.Credentials == nil {
		return c, &missing{links.CredentialsNoAnswer, errors.New("this worker cannot ask for credentials")}
	}
	ctx, cancel := context.WithTimeout(ctx, h.Budget.LockRenew)
	defer cancel()
	inbox.Waiting(ctx, func() { c, err = h.Credentials(ctx, l.Address, l.Generation) })
	switch {
	case errors.Is(err, credentials.ErrRefused):
		return c, &missing{links.CredentialsRefused, err}
	case errors.Is(err, credentials.ErrNobody), errors.Is(err, credentials.ErrNoAnswer):
		return c, &missing{links.CredentialsNoAnswer, err}
	case err == nil && h.lockout.knows(l.Address, c, h.Clock()):
		return credentials.Credential{}, &missing{links.CredentialsRefused, errRefusedBefore}
	default: // what was not carried says nothing about the session
		return c, err
	}
}

var errRefusedBefore = errors.New("the provider refused the same ones within the last hour")

// withoutCredentials judges a link whose session nobody answers for.
func (h *Handlers) withoutCredentials(ctx context.Context, j *job, stored links.Stored, m *missing) (inbox.Verdict, bool) {
	l := stored.Link.Seen(j.trigger)
	rules, now := h.rules[l.Provider], h.now(j)
	next := l.CredentialsMissing("", m.reason, h.origin(j.trace), now, rules)
	if l.Undecided(next) {
		next = l.HoldVerdict("", links.ReasonGrantDead, now, rules, h.Random())
	}
	if _, err := h.update(ctx, StepJudge, stored, next); err != nil {
		return h.notWritten(j, err)
	}
	h.logger(j.addr).Warn("the link's credentials live in a session, and nobody answers for it; the session's owner is called for",
		"reason", m.reason, "err", m.err, "to", next.Status)
	h.report(j, l, next, links.Decision{Reason: m.reason})
	return h.goOn(ctx, j, l, next)
}

// goOn finishes what a verdict decided; where it fell back to another grant, that
// is presented at once.
func (h *Handlers) goOn(ctx context.Context, j *job, was, next links.Link) (inbox.Verdict, bool) {
	if fellBack := next.Status == links.Active || next.Status == links.Refreshing; fellBack && next.IsDue(h.now(j)) {
		return inbox.Verdict{}, true
	}
	return h.finishWrite(ctx, j, was, next), false
}

// lockName is what a refresh of the link locks out: others of the same link, or of
// all links of its login or user, where the provider has one token for those.
func (h *Handlers) lockName(ctx context.Context, a events.Address) string {
	by := h.Providers[a.Provider].Profile().LockBy
	if by == "" || by == providers.LockByLink {
		return a.String()
	}
	stored, err := h.Store.Get(ctx, a)
	l, shared := stored.Link, a
	switch {
	case err != nil: // which is seen to by whoever reads it under the lock
	case by == providers.LockByLogin && l.Subject != "":
		shared.Link = "login:" + l.Subject
	case by == providers.LockByUser && l.User != "":
		shared.Link = "user:" + h.Keys.User(a.Tenant, l.User)
	}
	return shared.String()
}
