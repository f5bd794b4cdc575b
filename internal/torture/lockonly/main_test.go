package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/torture/judge"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

const (
	provider = "op"
	patience = 60 * time.Second
)

// cell is a lock-only fleet around a simulated provider.
type cell struct {
	*fleet.Cell
	t     *testing.T
	dir   string
	file  string
	store bare.Store
	began time.Time
	links map[string]events.Address // by family
}

func newCell(t *testing.T) *cell {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	profile, err := providers.Builtin("generic")
	must(t, err)
	profile.IDTokenAlgs, profile.MinInterval = nil, 0
	inner, err := fleet.New(ctx, fleet.Options{
		Dir: dir, NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: budget.Default / 20, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{provider: {Profile: profile}},
	})
	must(t, err)
	t.Cleanup(func() { _ = inner.Close(context.Background()) })
	c := &cell{Cell: inner, t: t, dir: dir, began: time.Now(), links: map[string]events.Address{}}
	c.file, err = inner.WriteConfig()
	must(t, err)
	c.store, err = bare.Create(ctx, inner.Bus.JetStream())
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// worker starts a process of the fleet.
func (c *cell) worker() *testenv.Process {
	c.t.Helper()
	return testenv.Start(c.t, testenv.Command{
		Path: testenv.Build(c.t, "./internal/torture/lockonly"), Args: []string{"--config", c.file}, Ready: "lockonly ready",
	})
}

// link issues a grant and saves it.
func (c *cell) link(n int) events.Address {
	c.t.Helper()
	a := events.Address{Tenant: "default", Provider: provider, Link: fmt.Sprintf("L%d", n)}
	g := c.Sim.Issue(provider, a.Link)
	must(c.t, c.store.Put(c.t.Context(), a, bare.Record{Generation: 1, Refresh: g.RefreshToken, Bearer: g.Bearer}))
	c.links[g.Family] = a
	return a
}

func (c *cell) report(a events.Address) {
	c.t.Helper()
	m, err := c.Report(events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})
	must(c.t, err)
	must(c.t, c.Bus.PublishInput(c.t.Context(), m))
}

// rest waits until nothing is left in the queue.
func (c *cell) rest() {
	c.t.Helper()
	n := c.Bus.Names()
	testenv.Eventually(c.t, patience, "all messages are settled", func() bool {
		got, err := c.Bus.JetStream().Consumer(c.t.Context(), n.In(), n.WorkerConsumer(provider))
		if err != nil {
			return false
		}
		i := got.CachedInfo()
		return i.NumPending == 0 && i.NumAckPending == 0
	})
}

func (c *cell) judged(faults ...judge.Fault) judge.Report {
	c.t.Helper()
	r, err := judge.Judge(c.t.Context(), judge.Sources{
		NATSURL: c.Config.NATS.URL, Ledger: c.Sim.LedgerPath(), Rules: map[string]judge.Rule{provider: judge.Forbidden},
		Families: c.links, LockOnly: true, Faults: faults, Begin: c.began, End: time.Now(),
	})
	must(c.t, err)
	return r
}

// Where nothing goes wrong, it is as good as any.
func TestItRefreshesOnce(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	c.worker()
	c.worker()
	const links = 20
	for n := range links {
		a := c.link(n)
		c.report(a)
		c.report(a)
	}
	c.rest()
	r := c.judged()
	if failed := r.Failed(); len(failed) > 0 {
		t.Errorf("broke: %v", failed)
	}
	if p := r.Presentations[0]; p.Credentials != links || p.Max != 1 || r.Outputs[string(events.NameTokenRotated)] != links {
		t.Errorf("presentations %+v, outputs %v", p, r.Outputs)
	}
}

// A worker that is stopped while it presents loses its lock to another, which presents
// the same token: nothing durable says that it was under way.
func TestItPresentsAgainBehindAPause(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	a := c.link(0)
	arrived, hold := make(chan providertest.Presentation, 1), make(chan struct{})
	c.Sim.Script(provider, providertest.Fault{When: providertest.After, Arrived: arrived, Hold: hold})
	first := c.worker()
	c.report(a)
	began := <-arrived
	first.Stop()
	c.worker()
	c.rest()
	first.Cont()
	close(hold)
	r := c.judged(judge.Fault{Kind: "worker-pause", Target: "somebody", Begin: began.At, End: time.Now()})
	if r.Revoked != 1 || r.Presentations[0].Max != 2 {
		t.Errorf("revoked %d, presentations %+v: the nemesis is too weak", r.Revoked, r.Presentations)
	}
	t.Logf("found: %v", r.Failed())
}
