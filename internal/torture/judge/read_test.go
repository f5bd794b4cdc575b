package judge_test

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/torture/judge"
	"github.com/regrant/regrant/providers"
)

const (
	provider = "op"
	patience = 60 * time.Second
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newCell(t *testing.T) *fleet.Cell {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	profile, err := providers.Builtin("generic")
	must(t, err)
	profile.IDTokenAlgs, profile.MinInterval = nil, 0
	c, err := fleet.New(ctx, fleet.Options{
		Dir: dir, NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: budget.Default / 20, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{provider: {Profile: profile}},
	})
	must(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// What a worker does of itself is found in order, and what is broken in it is found.
func TestACellIsRead(t *testing.T) {
	t.Parallel()
	c, began := newCell(t), time.Now()
	w, err := c.Start(t.Context(), "w1", nil)
	must(t, err)
	t.Cleanup(func() { _ = w.Stop(context.Background()) })
	made, err := c.Import(t.Context(), provider, 5)
	must(t, err)
	sources := judge.Sources{
		NATSURL: c.Config.NATS.URL, Keys: c.Keys, Ledger: c.Sim.LedgerPath(), Seed: 7, Begin: began,
		Rules: map[string]judge.Rule{provider: judge.Forbidden}, Families: map[string]events.Address{},
	}
	for _, l := range made {
		sources.Families[l.Family] = l.Address
		publish(t, c, events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
		publish(t, c, events.TokenExpired{Address: l.Address, Fingerprint: events.Fingerprint(l.Bearer), Reason: events.ReasonUnauthorized})
	}
	publish(t, c, events.TokenExpired{Address: events.Address{Tenant: "default", Provider: provider, Link: "nobody"}, Generation: 1, Reason: events.ReasonUnauthorized})
	publish(t, c, events.LogoutRequested{Address: made[0].Address, Scope: events.LogoutLink})
	var r judge.Report
	testenv.Eventually(t, patience, "all is settled", func() bool {
		sources.End = time.Now()
		r, err = judge.Judge(t.Context(), sources)
		must(t, err)
		return len(r.Breaches) == 0 && r.Links["revoked"] == 1
	})
	r, err = judge.Judge(t.Context(), sources) // the ledger is read first, and may have been early
	must(t, err)
	if p := r.Presentations[0]; p.Credentials != len(made) || p.Max != 1 || r.Confirmed != 12 || r.DeadLetters["unknown_link"] != 1 || r.Recovery.Count != len(made) {
		t.Errorf("read %+v", r)
	}
	c.Sim.KillGrant(made[1].Family) // by its user: no fault of ours
	publish(t, c, events.TokenExpired{Address: made[1].Address, Generation: 2, Reason: events.ReasonUnauthorized})
	testenv.Eventually(t, patience, "the link is found dead", func() bool {
		r, err = judge.Judge(t.Context(), sources)
		must(t, err)
		return len(r.Breaches) == 0 && r.Links["consent_required"] == 1
	})
}

func publish(t *testing.T, c *fleet.Cell, d events.Data) {
	t.Helper()
	e, err := events.NewInput("//judge/test", "id-"+events.AddressOf(d).Link, time.Now(), events.Trace{}, d)
	must(t, err)
	m, err := c.Bus.Names().Subjects().InputMessage(e)
	must(t, err)
	must(t, c.Bus.PublishInput(t.Context(), m))
}
