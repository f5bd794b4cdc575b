package handlers

import (
	"context"
	"errors"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// List returns all links of a user in a tenant, the ended ones included. Errors
// are *api.Error.
func (h *Handlers) List(ctx context.Context, tenant string, in api.List) (api.Listed, error) {
	if err := in.Validate(); err != nil {
		return api.Listed{}, err
	}
	if !h.tenants[tenant] {
		return api.Listed{}, api.Refuse(api.NotFound, "there is no tenant of this name")
	}
	found, err := h.Index.OfUser(ctx, tenant, h.Keys.User(tenant, in.User))
	if err != nil {
		return api.Listed{}, h.notNow(events.Address{Tenant: tenant}, err)
	}
	out := api.Listed{Links: make([]api.LinkView, 0, len(found))}
	for _, a := range found {
		s, err := h.Store.Get(ctx, a)
		if errors.Is(err, links.ErrNotFound) {
			continue // indexed before its record was made
		}
		if err != nil {
			return api.Listed{}, h.notNow(a, err)
		}
		out.Links = append(out.Links, View(s.Link))
	}
	out.Sort()
	return out, nil
}

// View is what an application may see of a link.
func View(l links.Link) api.LinkView {
	v := api.LinkView{
		Address: l.Address, Nickname: l.Nickname, Status: string(l.Status), Generation: l.Generation, Consent: l.Consent,
		SubjectHMAC: l.Subject, Accounts: l.Accounts, Scopes: l.Scopes,
		ExpiresAt: l.ExpiresAt, RefreshExpiresAt: l.RefreshExpiresAt, ConsentExpiresAt: l.ConsentExpiresAt,
		Successor: l.Successor,
	}
	if l.Hold != nil {
		v.Held, v.HeldConsent, v.HeldUntil = true, l.Hold.Consent, l.Hold.Until
	}
	return v
}
