package reconsent_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

const (
	provider = "op"
	// lockTTL is a thirtieth of the production budget.
	lockTTL = budget.Default / 30
)

// cell is a cell with two workers in this process, one of which may die at any time.
type cell struct {
	*fleet.Cell
	t       *testing.T
	ctx     context.Context
	witness *witness
	flows   *kvstore.Flows
	workers []*mortal
}

func newCell(t *testing.T, natsURL, redisURL string, seed uint64) *cell {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	inner, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: natsURL, RedisURL: redisURL, Prefix: fmt.Sprint("mixed-", seed), LockTTL: lockTTL,
		Providers: map[string]fleet.Provider{provider: simulated(t, seed)}, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &cell{Cell: inner, t: t, ctx: ctx}
	t.Cleanup(func() {
		for _, w := range c.workers {
			_ = w.Stop(context.Background())
		}
		cancel()
		inner.Store.Wait()
		_ = inner.Close(context.Background())
	})
	if c.flows, err = kvstore.NewFlows(ctx, inner.Bus.JetStream(), inner.Bus.Names().Consents()); err != nil {
		t.Fatal(err)
	}
	c.witness = watch(ctx, t, inner.Store)
	for range 2 {
		c.workers = append(c.workers, c.start())
	}
	return c
}

// simulated is a provider that forgives nothing. The policy goes round with seeds.
func simulated(t *testing.T, seed uint64) fleet.Provider {
	t.Helper()
	p, err := providers.Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.IDTokenAlgs, p.IssParameter, p.MinInterval = []string{"ES256"}, providers.IssRequired, 0
	p.OnDifferentLogin = []providers.Policy{providers.PolicyReplace, providers.PolicyHold, providers.PolicyKeepBoth}[seed%3]
	return fleet.Provider{Behaviour: providertest.Behaviour{IDTokens: true, Alg: "ES256"}, Profile: p}
}

// imports makes a link of a login at the provider.
func (c *cell) imports(user, login string) {
	c.t.Helper()
	g := c.Sim.Issue(provider, login)
	err := worker.Importer(c.Config, c.Bus, c.Store, c.Keys, time.Now).Import(c.ctx, handlers.ImportLine{
		Address: events.Address{Tenant: "default", Provider: provider, Link: ulid.Make().String()}, User: user, Sub: login,
		Access: secret.New(g.AccessToken), Refresh: secret.New(g.RefreshToken), ID: secret.New(g.IDToken), ExpiresAt: g.ExpiresAt,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	testenv.Eventually(c.t, patience, "the import is seen", func() bool { return len(c.witness.all()) > 0 })
}

func (c *cell) input(d events.Data) (events.Message, error) {
	e, err := events.NewInput("//reconsent/test", ulid.Make().String(), time.Now(), events.Trace{}, d)
	if err != nil {
		return events.Message{}, err
	}
	return c.Bus.Names().Subjects().InputMessage(e)
}

// mortal is a worker that can die at a point of the procedure: from then on none of
// its goroutines passes any point. What it has begun on the wire goes on, as it
// would for a process that was killed.
type mortal struct {
	*worker.Worker
	at   atomic.Value // point
	gone atomic.Bool
	dead chan struct{}
}

type point struct {
	step handlers.Step
	when handlers.When
}

func (w *mortal) dieAt(step handlers.Step, when handlers.When) { w.at.Store(point{step, when}) }

func (w *mortal) probe(step handlers.Step, when handlers.When, _ events.Address) {
	if w.at.Load() == (point{step, when}) && w.gone.CompareAndSwap(false, true) {
		close(w.dead)
	}
	if w.gone.Load() {
		runtime.Goexit()
	}
}

func (c *cell) start() *mortal {
	c.t.Helper()
	w := &mortal{dead: make(chan struct{})}
	w.at.Store(point{})
	var err error
	if w.Worker, err = c.Start(c.ctx, "", func(o *worker.Options) { o.Probe = w.probe }); err != nil {
		c.t.Fatal(err)
	}
	return w
}

// bury closes what a dead worker has open, and starts another.
func (c *cell) bury(w *mortal) {
	c.t.Helper()
	now, cancel := context.WithCancel(c.ctx)
	cancel()
	_ = w.Stop(now)
	c.replace(w)
}

// retire stops a worker as an operator does, and starts another.
func (c *cell) retire(w *mortal) {
	c.t.Helper()
	if err := w.Stop(c.ctx); err != nil && !w.gone.Load() {
		c.t.Errorf("stop a worker: %v", err)
	}
	c.replace(w)
}

func (c *cell) replace(w *mortal) {
	c.workers[slices.Index(c.workers, w)] = c.start()
}

// rest waits until nothing is left to do: every message acked, every link in a
// state that no timer is to change soon. A worker that is to die may do so now.
func (c *cell) rest() {
	c.t.Helper()
	for _, w := range slices.Clone(c.workers) {
		w.at.Store(point{})
		if w.gone.Load() {
			c.bury(w)
		}
	}
	left := ""
	defer func() {
		if c.t.Failed() {
			c.t.Logf("left: %s", left)
		}
	}()
	testenv.Eventually(c.t, patience, "all is at rest", func() bool {
		if left = c.witness.unsettled(time.Now()); left == "" {
			left = c.pending()
		}
		return left == "" && c.witness.unsettled(time.Now()) == ""
	})
}

// pending says what the queues still hold, or "".
func (c *cell) pending() string {
	n := c.Bus.Names()
	for durable, stream := range map[string]string{n.WorkerConsumer(provider): n.In(), n.DueConsumer(provider): n.Timer()} {
		got, err := c.Bus.JetStream().Consumer(c.ctx, stream, durable)
		if err != nil {
			return err.Error()
		}
		i := got.CachedInfo()
		if i.NumPending > 0 || i.NumAckPending > 0 {
			return fmt.Sprintf("%s has %d pending and %d unacked", durable, i.NumPending, i.NumAckPending)
		}
		// A consumer hears of a stored message a moment later.
		if s, err := c.Bus.JetStream().Stream(c.ctx, stream); err != nil || stream == n.In() && i.Delivered.Stream < s.CachedInfo().State.LastSeq {
			return fmt.Sprintf("%s has not delivered all, %v", durable, err)
		}
	}
	return ""
}
