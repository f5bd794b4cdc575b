package handlers

import (
	"context"
	"errors"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Show returns one link, ended or not, as it is where its writes are decided. Errors
// are *api.Error.
func (h *Handlers) Show(ctx context.Context, a events.Address, in api.Show) (api.LinkView, error) {
	if err := in.Validate(); err != nil {
		return api.LinkView{}, err
	}
	if h.Providers[a.Provider] == nil || !h.tenants[a.Tenant] {
		return api.LinkView{}, noSuchLink(a)
	}
	s, err := h.Store.Latest(ctx, a)
	switch {
	case errors.Is(err, links.ErrNotFound):
		return api.LinkView{}, noSuchLink(a)
	case err != nil:
		return api.LinkView{}, h.notNow(a, err)
	}
	return View(s.Link), nil
}
