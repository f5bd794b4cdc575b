package fleet_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is a provider with one-time refresh tokens and reuse detection.
func hostile(t *testing.T) fleet.Provider {
	t.Helper()
	p, err := providers.Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.Rotation = "always"
	p.MinInterval = 0
	return fleet.Provider{Behaviour: providertest.Behaviour{ClientID: "c", ClientSecret: "s3cr3t-canary", AccessTTL: time.Hour}, Profile: p}
}

func TestManyReportsOneRefresh(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": hostile(t)}, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cell.Close(context.Background()) }()
	made, err := cell.Import(ctx, "op", 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		w, err := cell.Start(ctx, id, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Stop(context.Background()) }()
	}
	for _, l := range made {
		for i := range 20 {
			d := events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized}
			if i%2 == 0 {
				d.Generation, d.Fingerprint = 0, events.Fingerprint(l.AccessToken)
			}
			m, err := cell.Report(d)
			if err != nil {
				t.Fatal(err)
			}
			delete(m.Header, events.HeaderMsgID) // the broker would drop most of the storm
			if err := cell.Bus.PublishInput(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, l := range made {
		testenv.Eventually(t, 30*time.Second, "link "+l.Link+" rotates", func() bool {
			got, err := cell.Link(ctx, l.Address)
			return err == nil && got.Generation == 2 && got.Status == links.Active
		})
	}
	ledger, err := cell.Sim.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if _, n := ledger.MaxPerToken(); n != 1 || len(ledger.PerToken()) != 5 {
		t.Fatalf("a token was presented %d times; %d tokens were presented, want 5 once each", n, len(ledger.PerToken()))
	}
}
