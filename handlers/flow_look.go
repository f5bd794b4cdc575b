package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// accountTries is how often the accounts are asked for before the consent is
// applied without them: it is good, and may have ended the tokens before it.
const accountTries = 3

// look verifies the answer of a flow, asks what it is good for, and writes both
// into the flow. It is done once: who resumes finds it there.
func (h *Handlers) look(ctx context.Context, j *flowJob, s consents.Stored) (inbox.Verdict, bool) {
	f := s.Flow
	answer, nonce, err := h.openExchanged(f)
	if err != nil {
		h.logger(j.addr).Error("a consent flow does not open with this worker's keys; add the key file that sealed it", "flow", f.ID, "err", err)
		return inbox.Later(h.Budget.Recovery), false
	}
	h.Probe.at(StepVerify, Before, j.addr)
	verified, err := h.Providers[f.Provider].Identify(ctx, answer, nonce)
	h.Probe.at(StepVerify, After, j.addr)
	reason, forGood := unproven(err)
	switch {
	case forGood:
		h.logger(j.addr).Error("the provider's answer to a code proves nothing; its tokens are dropped", "flow", f.ID, "err", err)
		return h.fail(ctx, j, s, reason)
	case err != nil && h.Clock().Sub(f.Order) > h.patienceWithKeys():
		return h.fail(ctx, j, s, consents.ReasonUnverifiable)
	case err != nil:
		h.logger(j.addr).Warn("whose login it is cannot be told now; trying again", "flow", f.ID, "err", err)
		return h.putOff(ctx, j, f), false
	}
	found, tokens := h.find(ctx, f, answer, verified)
	sealed, err := h.sealFlowTokens(f, tokens)
	if err != nil {
		return h.unfinished(j.job, err), false
	}
	if err := h.updateFlow(ctx, StepLook, s, f.Looked(found, sealed)); err != nil {
		return h.flowNotWritten(j, err)
	}
	return inbox.Verdict{}, true
}

// unproven says why an answer proves no login, and whether trying again is in vain.
func unproven(err error) (reason string, forGood bool) {
	var rejected *providers.Rejection
	if errors.As(err, &rejected) {
		return rejected.Reason, true
	}
	return problem(err), err != nil && !errors.Is(err, providers.ErrKeysUnavailable) && !errors.Is(err, providers.ErrUnreachable)
}

// problem is the reason of a failed endpoint, as events name it.
func problem(err error) string {
	var e *providers.EndpointError
	if errors.As(err, &e) {
		return e.Reason
	}
	return providers.ReasonUnreachable
}

// patienceWithKeys is how long an answer waits to be verified, before the link
// goes on without it.
func (h *Handlers) patienceWithKeys() time.Duration { return 360 * h.Budget.LockTTL }

func (h *Handlers) openExchanged(f consents.Flow) (*providers.Answer, string, error) {
	answer, err := h.openFlowAnswer(f)
	if err != nil {
		return nil, "", err
	}
	s, err := h.openFlowSecrets(f)
	return answer, s.Nonce.Reveal(), err
}

// putOff lets a timer look at the flow again. The exchange must be open for that:
// whoever took the flow for failed, before its late answer, may just have closed it.
func (h *Handlers) putOff(ctx context.Context, j *flowJob, f consents.Flow) inbox.Verdict {
	again := h.Clock().Add(3 * h.Budget.LockTTL)
	return h.finishChange(ctx, j, f.Address, StepDepart, func(l links.Link) (links.Link, error) {
		next, err := h.opened(l, f)
		return next.PutOff(f.Key, again), err
	})
}

// find gathers what an answer brings to whichever link it will belong to.
func (h *Handlers) find(ctx context.Context, f consents.Flow, a *providers.Answer, v providers.Verified) (consents.Found, links.Tokens) {
	p := h.Providers[f.Provider]
	bearer, clocks := p.Bearer(a), p.Profile().Complete(*a)
	found := consents.Found{Grant: links.Grant{
		Fingerprint: bearer.Fingerprint(), Refreshable: !a.RefreshToken.IsZero(), Renewed: !a.RefreshToken.IsZero(), IssuedAt: issuedAt(a, h.Clock()),
		Scopes: a.Scopes, ScopesGiven: true, ExpiresAt: clocks.ExpiresAt, RefreshExpiresAt: clocks.RefreshExpiresAt, ConsentExpiresAt: clocks.ConsentExpiresAt,
	}}
	if !a.ScopesGiven {
		found.Grant.Scopes = f.Scopes // RFC 6749 section 5.1: left out, they are those asked for
	}
	if v.Identity.Subject != "" {
		found.Subject = h.Keys.Subject(v.Identity.Issuer, p.Profile().ClientID, v.Identity.Subject)
	}
	found.Accounts, found.AccountsUnknown = h.accounts(ctx, f, bearer)
	found.Customer = h.customer(ctx, f, bearer)
	return found, links.Tokens{
		Access: a.AccessToken, Refresh: a.RefreshToken, ID: a.IDToken, Type: a.TokenType,
		Issuer: v.Identity.Issuer, Subject: v.Identity.Subject, Claims: v.Claims,
	}
}

// accounts are those that the bearer reaches, or why nobody knows.
func (h *Handlers) accounts(ctx context.Context, f consents.Flow, bearer secret.Value) (ids []string, unknown string) {
	if h.Providers[f.Provider].Profile().AccountsURL == "" {
		return nil, ""
	}
	for try := 1; ; try++ {
		ids, err := h.Providers[f.Provider].Accounts(ctx, bearer)
		if err == nil {
			return ids, ""
		}
		h.logger(f.Address).Warn("the accounts of a consent were not read", "flow", f.ID, "try", try, "err", err)
		if unknown := problem(err); unknown != events.AccountsUnreachable || try == accountTries {
			return nil, unknown
		}
		await(ctx, nil, h.Budget.LockRenew/10)
	}
}

// customer is the HMAC of the person behind the login, or empty.
func (h *Handlers) customer(ctx context.Context, f consents.Flow, bearer secret.Value) string {
	if h.Providers[f.Provider].Profile().CustomerURL == "" {
		return ""
	}
	who, err := h.Providers[f.Provider].Customer(ctx, bearer)
	if err != nil || who.IsZero() {
		h.logger(f.Address).Warn("the customer of a consent was not read", "flow", f.ID, "err", err)
		return ""
	}
	return h.Keys.Subject("customer", f.Provider, who.Reveal())
}
