package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/secret"
)

// A service that has just started finds a bearer that ended while nobody used it.
// Nobody else will report it.
func TestAServiceThatStartsAfterItsBearerEnded(t *testing.T) {
	cell, _ := realCell(t, 0)
	l := fleet.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: "ended"}, Grant: cell.Sim.Issue("op", "sub-ended")}
	im := worker.Importer(cell.Config, cell.Bus, cell.Store, cell.Keys, time.Now)
	must(t, im.Import(t.Context(), handlers.ImportLine{
		Address: l.Address, User: "user", Sub: l.Sub, Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: time.Now().Add(-time.Hour),
	}))
	ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
	defer cancel()
	c, err := client.New(ctx, client.Config{URL: cell.Config.NATS.URL, Wait: fleetLimit / 2, Log: testenv.Log(t)})
	must(t, err)
	t.Cleanup(func() { ends(t, c.Close) })
	token, err := c.Link("op", l.Link).Token(ctx)
	if err != nil || token.Generation != 2 {
		t.Fatalf("got %+v, %v, want generation 2", token, err)
	}
	ledger, err := cell.Sim.Ledger()
	must(t, err)
	if _, most := ledger.MaxPerToken(); most != 1 {
		t.Errorf("a token was presented %d times", most)
	}
}
