package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/spool"
)

const (
	// fiftieth of the production budget.
	fiftieth = budget.Default / 50
	// patience bounds every wait: for no machine to be too slow.
	patience = 90 * time.Second
)

// rule is a provider's replay rule, and a simulated provider that keeps it.
type rule struct {
	name      string
	replay    providers.Replay
	behaviour providertest.Behaviour
	policy    providers.Policy // on another login; empty: the usual one
}

// forbidden says that a presentation whose answer is lost may not be repeated.
func (r rule) forbidden() bool { return r.replay.Kind == providers.ReplayForbidden }

const window = time.Hour

var (
	forbidden = rule{name: "forbidden"}
	grace     = rule{"grace", providers.Replay{Kind: providers.ReplayGrace, Window: window}, providertest.Behaviour{Grace: window}, ""}
	successor = rule{"until_successor_used", providers.Replay{Kind: providers.ReplayUntilSuccessorUsed, Window: window}, providertest.Behaviour{UntilSuccessorUsed: true}, ""}
	safe      = rule{"safe", providers.Replay{Kind: providers.ReplaySafe}, providertest.Behaviour{Rotation: providertest.ReusableUntilExpiry}, ""}
	rules     = []rule{forbidden, grace, successor, safe}
)

// provider is the simulated one with what Regrant believes of it: ID tokens that
// are verified, renewal ahead, and no minimum interval that could hide a second
// presentation.
func (r rule) provider(t *testing.T) fleet.Provider {
	t.Helper()
	p, err := providers.Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.Replay, p.IDTokenAlgs, p.RenewAt, p.MinInterval = r.replay, []string{"ES256"}, 0.8, 0
	if r.policy != "" {
		p.OnDifferentLogin = r.policy
	}
	b := r.behaviour
	b.IDTokens, b.Alg = true, "ES256"
	return fleet.Provider{Behaviour: b, Profile: p}
}

// cell is a cell of its own with workers as processes.
type cell struct {
	*fleet.Cell
	t       *testing.T
	ctx     context.Context
	rule    rule
	config  string
	links   []fleet.Link
	workers []*testenv.Process
	witness *witness
	states  []string // of the consents that were begun
}

var cells atomic.Int64 // names them

const provider = "op"

// newCell makes a cell with n links.
func newCell(t *testing.T, s *servers, r rule, lockTTL time.Duration, n int) *cell {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	inner, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: s.nats.URL, RedisURL: s.redisURL, Prefix: fmt.Sprintf("cell-%d", cells.Add(1)), LockTTL: lockTTL,
		Providers: map[string]fleet.Provider{provider: r.provider(t)}, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		inner.Store.Wait()
		if err := inner.Close(context.Background()); err != nil {
			t.Errorf("close the cell: %v", err)
		}
	})
	c := &cell{Cell: inner, t: t, ctx: ctx, rule: r}
	if c.config, err = inner.WriteConfig(); err != nil {
		t.Fatal(err)
	}
	c.witness = watch(ctx, t, inner.Store)
	if c.links, err = inner.Import(ctx, provider, n); err != nil {
		t.Fatal(err)
	}
	return c
}

// withoutReconciler keeps the workers' reconcilers from running: what a message
// must bring about, no scan may bring about in its place.
func (c *cell) withoutReconciler() *cell {
	c.t.Helper()
	b := budget.Of(time.Hour)
	client, err := locks.Dial(c.Config.Redis.URL, b)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() })
	locker := locks.New(client, locks.Config{Worker: "test", Budget: b, Prefix: c.Config.NATS.Prefix})
	c.t.Cleanup(locker.Close)
	if _, err := locker.Acquire(c.ctx, "reconciler"); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// worker starts a worker process and returns when it takes messages. It tells all
// that it does: whoever reads of a failure has nothing else.
func (c *cell) worker(env ...string) *testenv.Process {
	c.t.Helper()
	return c.start("worker ready", env)
}

// armed is worker for one whose failpoint may come before it is ready: what a
// timer has for it does not wait.
func (c *cell) armed(p point) *testenv.Process {
	c.t.Helper()
	return c.start("", []string{at(p.step, p.when)})
}

func (c *cell) start(ready string, env []string) *testenv.Process {
	c.t.Helper()
	p := testenv.Start(c.t, testenv.Command{
		Path: testenv.Build(c.t, "./cmd/worker", "failpoint"), Args: []string{"run", "--config", c.config},
		Env: append([]string{"REGRANT_LOG_LEVEL=debug"}, env...), Ready: ready,
	})
	c.workers = append(c.workers, p)
	return p
}

// at is the environment of a worker that ends itself at a point of the procedure.
func at(step handlers.Step, when handlers.When) string {
	return fmt.Sprintf("REGRANT_FAILPOINT=%s:%s", step, when)
}

// stopsAt is the same for one that stops.
func stopsAt(step handlers.Step, when handlers.When) string { return at(step, when) + ":stop" }

// once the link's lock was asked for: what a reconciler does that the lock server
// did not keep out, on a machine that is too slow for it, comes before.
func once(env string, p point) string {
	if p.step == handlers.StepLock {
		return env
	}
	return strings.Replace(env, "=", fmt.Sprintf("=%s:%s:pass,", handlers.StepLock, handlers.Before), 1)
}

// stopsThenDies is the same for one that stops, and ends itself at a later point
// when it goes on.
func stopsThenDies(step handlers.Step, when handlers.When, p point) string {
	return fmt.Sprintf("%s,%s:%s", stopsAt(step, when), p.step, p.when)
}

// dies waits until a worker was killed.
func (c *cell) dies(p *testenv.Process) {
	c.t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(patience):
		c.t.Fatalf("the worker never came to its failpoint; it said:\n%s", p.Output())
	}
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		c.t.Fatalf("the worker ended with %v, not by its failpoint; it said:\n%s", err, p.Output())
	}
}

// retire ends workers as an operator does; they must end well.
func (c *cell) retire(workers ...*testenv.Process) {
	c.t.Helper()
	for _, p := range workers {
		p.Signal(syscall.SIGTERM)
	}
	for _, p := range workers {
		select {
		case <-p.Exited():
		case <-time.After(patience):
			c.t.Fatal("a worker did not end when it was told to")
		}
		if err := p.Wait(); err != nil {
			c.t.Errorf("a worker that was told to end ended with %v", err)
		}
	}
}

// report publishes one report of a link's first generation.
func (c *cell) report(l fleet.Link) {
	c.t.Helper()
	m, err := c.Report(byGeneration(l))
	if err == nil {
		err = c.Bus.PublishInput(c.ctx, m)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func byGeneration(l fleet.Link) events.TokenExpired {
	return events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized}
}

func byFingerprint(l fleet.Link) events.TokenExpired {
	return events.TokenExpired{Address: l.Address, Fingerprint: events.Fingerprint(l.Bearer), Reason: events.ReasonUnauthorized}
}

// rest waits until nothing is left to do: every message acked, every link in a
// state that no timer is to change soon, no answer left in a spool.
func (c *cell) rest() {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		changed := c.witness.changes()
		left := c.witness.unsettled()
		if left == "" {
			left = c.pending()
		}
		if left == "" && c.witness.unsettled() == "" {
			return
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-deadline.C:
			c.t.Fatalf("still to do after %v: %s", patience, left)
		}
	}
}

// pending says what the queues and the spools still hold, or "".
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
		if s, err := c.state(stream); err != nil || stream == n.In() && i.Delivered.Stream < s.LastSeq {
			return fmt.Sprintf("%s has delivered %d of %d, %v", durable, i.Delivered.Stream, s.LastSeq, err)
		}
	}
	if spooled := c.spooled(); len(spooled) > 0 {
		return fmt.Sprintf("spooled answers: %v", spooled)
	}
	return ""
}

// spooled are the workers that hold answers, and how many.
func (c *cell) spooled() (all []spool.Waiting) {
	found, err := spool.Look(worker.SpoolOf(c.Config))
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(found, func(w spool.Waiting) bool { return w.Entries == 0 })
}

// stored is how many messages a stream holds.
func (c *cell) stored(stream string) uint64 {
	c.t.Helper()
	s, err := c.state(stream)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Msgs
}

func (c *cell) state(stream string) (jetstream.StreamState, error) {
	s, err := c.Bus.JetStream().Stream(c.ctx, stream)
	if err != nil {
		return jetstream.StreamState{}, err
	}
	return s.CachedInfo().State, nil
}

// settled says that no timer and no consent is to change a link's state soon.
func settled(l links.Link) bool {
	if l.Exchange != nil {
		return false
	}
	return l.Status == links.ConsentRequired || l.Status.Ended() || l.Status == links.Active && (l.DueFor == "" || l.DueFor == links.DueRenew)
}
