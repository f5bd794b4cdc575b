package handlers

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/oauth2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// ConsentBegin begins a consent flow and returns where to send the user's
// browser. State, nonce and verifier are made here; the latter two never leave the
// workers. Errors are *api.Error.
func (h *Handlers) ConsentBegin(ctx context.Context, tenant string, in api.ConsentBegin) (api.ConsentBegun, error) {
	if err := in.Validate(); err != nil {
		return api.ConsentBegun{}, err
	}
	f, err := h.newFlow(ctx, tenant, in.Provider, in.Link, in.User, in.Nickname)
	if err != nil {
		return api.ConsentBegun{}, err
	}
	state, s := rand.Text(), flowSecrets{Nonce: secret.New(rand.Text()), Verifier: secret.New(oauth2.GenerateVerifier())}
	f.Key, f.Status, f.RedirectURI, f.Scopes = consents.Key(state), consents.Pending, in.RedirectURI, in.Scopes
	p := h.Providers[in.Provider]
	if len(f.Scopes) == 0 {
		f.Scopes = p.Profile().Scopes
	}
	url, err := p.AuthorizeURL(providers.AuthorizeRequest{
		State: state, Nonce: s.Nonce.Reveal(), Challenge: oauth2.S256ChallengeFromVerifier(s.Verifier.Reveal()),
		RedirectURI: in.RedirectURI, Scopes: f.Scopes, Prompt: in.Prompt, LoginHint: in.LoginHint,
	})
	if err != nil {
		return api.ConsentBegun{}, api.Refuse(api.Invalid, "%s", err) // about the profile, and without a secret
	}
	if f.Secrets, err = h.sealFlowSecrets(f, s); err != nil {
		return api.ConsentBegun{}, h.notNow(f.Address, err)
	}
	if _, err := h.Flows.Create(ctx, f); err != nil {
		return api.ConsentBegun{}, h.notNow(f.Address, err)
	}
	h.logger(f.Address).Info("consent flow begun", "flow", f.ID, "new", f.New)
	h.tellFlow(f.Address, f.ID, audit.Entry{Action: audit.ConsentBegun, Outcome: beginning(f)})
	return api.ConsentBegun{Link: f.Link, State: state, AuthorizeURL: url, ExpiresAt: f.ExpiresAt}, nil
}

// beginning says what a flow was begun for, in a word of the audit.
func beginning(f consents.Flow) string {
	if f.New {
		return "new_link"
	}
	return "existing_link"
}

// newFlow is a flow for a link that exists and is the user's, or for a new one.
func (h *Handlers) newFlow(ctx context.Context, tenant, provider, link, user, nickname string) (consents.Flow, error) {
	p, ok := h.Providers[provider]
	switch {
	case !h.tenants[tenant]:
		return consents.Flow{}, api.Refuse(api.NotFound, "there is no tenant of this name; add it to the configuration of the workers")
	case !ok:
		return consents.Flow{}, api.Refuse(api.NotFound, "there is no provider of this name; add it to the configuration of the workers")
	}
	now := h.flowClock(ctx).UTC().Round(0)
	f := consents.Flow{
		Version: consents.Version, ID: ulid.Make().String(), Reserved: ulid.Make().String(), User: user, Nickname: nickname,
		Address: events.Address{Tenant: tenant, Provider: provider, Link: cmp.Or(link, ulid.Make().String())},
		New:     link == "", BeganAt: now, ExpiresAt: now.Add(flowLife(p.Profile())),
	}
	if f.New {
		return f, nil
	}
	s, err := h.Store.Latest(ctx, f.Address)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return f, &api.Error{Code: api.NotFound, Message: "there is no such link; leave it out to make a new one", Link: link}
	case err != nil:
		return f, h.notNow(f.Address, err)
	case s.Link.User != user:
		return f, &api.Error{Code: api.NotPermitted, Message: "the link is another user's", Link: link}
	}
	return f, nil
}

// flowClock is the store's clock, by which it is judged whether the user came back in
// time; this host's where that does not answer.
func (h *Handlers) flowClock(ctx context.Context) time.Time {
	ctx, cancel := context.WithTimeout(ctx, h.Budget.Heartbeat)
	defer cancel()
	if h.StoreClock != nil {
		if now, err := h.StoreClock(ctx); err == nil {
			return now
		}
	}
	return h.Clock()
}

// notNow hides from a caller what only an operator can mend, and tells that one.
func (h *Handlers) notNow(a events.Address, err error) error {
	h.logger(a).Error("a request was not carried out", "err", err)
	return &api.Error{Code: api.Unavailable, Message: "the workers could not do this now; try again, and see their log", Link: a.Link}
}

// flowLife is how long the user may take.
func flowLife(p providers.Profile) time.Duration { return cmp.Or(p.FlowTTL, 10*time.Minute) }

// holdLife is how long a held replacement waits.
func holdLife(p providers.Profile) time.Duration { return cmp.Or(p.HoldFor, 14*24*time.Hour) }
