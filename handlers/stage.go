package handlers

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// Stage keeps the tokens of a service that exchanged the code itself, sealed,
// until its reconsent-completed names them: a flow that begins where others are
// after their exchange. Errors are *api.Error.
func (h *Handlers) Stage(ctx context.Context, tenant string, in api.Stage) (api.Staged, error) {
	if err := in.Validate(); err != nil {
		return api.Staged{}, err
	}
	f, err := h.newFlow(ctx, tenant, in.Provider, in.Link, in.User, in.Nickname)
	if err != nil {
		return api.Staged{}, err
	}
	answer := staged(in, h.Clock())
	if h.Providers[in.Provider].Bearer(answer).IsZero() {
		return api.Staged{}, api.Refuse(api.Invalid, "id_token: is missing: it is this provider's bearer")
	}
	staging := rand.Text()
	f.Key, f.Status, f.Staged = consents.Key(staging), consents.Exchanged, true
	if f.Answer, err = h.sealFlowAnswer(f, answer); err == nil {
		f.Secrets, err = h.sealFlowSecrets(f, flowSecrets{Nonce: secret.New(in.Nonce)})
	}
	if err == nil {
		_, err = h.Flows.Create(ctx, f)
	}
	if err != nil {
		return api.Staged{}, h.notNow(f.Address, err)
	}
	h.logger(f.Address).Info("tokens staged", "flow", f.ID, "new", f.New)
	h.tellFlow(f.Address, f.ID, audit.Entry{Action: audit.TokensStaged, Fingerprint: h.Providers[f.Provider].Bearer(answer).Fingerprint(), Outcome: beginning(f)})
	return api.Staged{Link: f.Link, Staging: staging, ExpiresAt: f.ExpiresAt}, nil
}

func staged(in api.Stage, now time.Time) *providers.Answer {
	a := &providers.Answer{
		AccessToken: secret.New(string(in.AccessToken)), RefreshToken: secret.New(string(in.RefreshToken)),
		IDToken: secret.New(string(in.IDToken)), TokenType: in.TokenType, RequestedAt: now.UTC().Round(0),
	}
	if in.ExpiresIn > 0 {
		a.ExpiresAt = a.RequestedAt.Add(time.Duration(in.ExpiresIn) * time.Second)
	}
	if in.Scope != nil {
		a.Scopes, a.ScopesGiven = strings.Fields(*in.Scope), true
	}
	return a
}
