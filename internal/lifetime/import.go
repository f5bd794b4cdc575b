package lifetime

import (
	"context"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

// Import makes a link of a grant that was obtained elsewhere. apiKey may be empty.
func (w *World) Import(user, link string, g providertest.Grant, apiKey string) events.Address {
	w.t.Helper()
	a := events.Address{Tenant: Tenant, Provider: g.Provider, Link: link}
	im := &handlers.Importer{
		Source: source, Tenants: []string{Tenant}, Profiles: w.profiles, Store: w.Links, Index: w.Links,
		Keys: keys(), Timers: w.timers, Outputs: w.outputs, Budget: w.budget, Clock: time.Now,
	}
	line := handlers.ImportLine{
		Address: a, User: user, Sub: g.Sub, Access: secret.New(g.AccessToken), Refresh: secret.New(g.RefreshToken),
		ID: secret.New(g.IDToken), ExpiresAt: g.ExpiresAt, RefreshExpiresAt: g.RefreshExpiresAt,
	}
	if apiKey != "" {
		line.APIKey = secret.New(apiKey)
	}
	line, err := im.Check(context.Background(), line)
	if err == nil {
		err = im.Import(context.Background(), line)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.families.Store(g.Family, a)
	return a
}
