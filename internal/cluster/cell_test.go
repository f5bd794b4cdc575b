package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

const (
	provider = "op"
	workers  = 4
)

// cell is a cell whose servers are clusters and whose workers are processes.
type cell struct {
	*fleet.Cell
	t           *testing.T
	ctx         context.Context
	nats, redis *testenv.Cluster
	config      string
	workers     []*testenv.Process
	links       []fleet.Link
}

// newCell starts the servers. The provider's refresh tokens are good for one
// presentation, and a second one ends the grant.
func newCell(t *testing.T, lockTTL time.Duration, replicas int) *cell {
	t.Helper()
	c := &cell{t: t, nats: testenv.NATSCluster(t), redis: testenv.RedisCluster(t)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c.ctx = ctx
	profile, err := providers.Builtin("generic")
	c.must(err)
	profile.Rotation, profile.MinInterval = providers.RotationAlways, 0
	c.Cell, err = fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: c.nats.URL, RedisURL: c.redis.URL, LockTTL: lockTTL, Replicas: replicas, Log: warnings(t),
		Providers: map[string]fleet.Provider{provider: {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: profile}},
	})
	c.must(err)
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close the cell: %v", err)
		}
	})
	return c
}

// staff starts the workers.
func (c *cell) staff() {
	c.t.Helper()
	var err error
	c.config, err = c.WriteConfig()
	c.must(err)
	for range workers {
		c.workers = append(c.workers, testenv.Start(c.t, testenv.Command{
			Path: testenv.Build(c.t, "./cmd/worker"), Args: []string{"run", "--config", c.config}, Ready: "worker ready",
		}))
	}
}

// retire ends the workers as an operator does; they must end well.
func (c *cell) retire() {
	c.t.Helper()
	for _, p := range c.workers {
		p.Signal(syscall.SIGTERM)
	}
	for _, p := range c.workers {
		if err := p.Wait(); err != nil {
			c.t.Errorf("a worker that was told to end ended with %v", err)
		}
	}
}

func (c *cell) add(n int) {
	c.t.Helper()
	made, err := c.Import(c.ctx, provider, n)
	c.must(err)
	c.links = append(c.links, made...)
}

// leader is the server that answers for a stream, once there is one.
func (c *cell) leader(stream string) int {
	c.t.Helper()
	name := ""
	testenv.Eventually(c.t, patience, stream+" has a leader", func() bool {
		if info, err := c.info(stream); err == nil && info.Cluster != nil {
			name = info.Cluster.Leader
		}
		return name != ""
	})
	n, err := strconv.Atoi(strings.TrimPrefix(name, "n"))
	c.must(err)
	return n
}

// lead has a server answer for a stream.
func (c *cell) lead(stream string, server int) {
	c.t.Helper()
	to := fmt.Appendf(nil, `{"placement":{"preferred":"n%d"}}`, server)
	testenv.Eventually(c.t, patience, fmt.Sprintf("n%d leads %s", server, stream), func() bool {
		if c.leader(stream) == server {
			return true
		}
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		// Refused while there is no leader.
		_, _ = c.Bus.Conn().RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, to)
		return false
	})
}

func (c *cell) info(stream string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	s, err := c.Bus.JetStream().Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// streams are all of the cell, buckets included.
func (c *cell) streams() []string {
	n := c.Bus.Names()
	return []string{
		n.In(), n.Timer(), n.Out(), n.Dead(), n.Audit(),
		"KV_" + n.Links(), "KV_" + n.Index(), "KV_" + n.Consents(), "KV_" + n.Apps(),
	}
}

// ledBy lists the streams that a server answers for.
func (c *cell) ledBy(server int) (led []string) {
	c.t.Helper()
	for _, s := range c.streams() {
		if c.leader(s) == server {
			led = append(led, s)
		}
	}
	return led
}

// whole waits until every stream has its replicas, and they have what it has.
func (c *cell) whole(replicas int) {
	c.t.Helper()
	for _, s := range c.streams() {
		testenv.Eventually(c.t, patience, fmt.Sprintf("%s has %d replicas", s, replicas), func() bool {
			info, err := c.info(s)
			return err == nil && info.Cluster != nil && info.Cluster.Leader != "" && len(info.Cluster.Replicas) == replicas-1 &&
				!slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline })
		})
	}
}

// rest waits until every link has come to its generation.
func (c *cell) rest(made []fleet.Link, generation uint64) {
	c.t.Helper()
	for _, l := range made {
		testenv.Eventually(c.t, patience, fmt.Sprintf("link %s comes to generation %d", l.Link, generation), func() bool {
			got, err := c.Link(c.ctx, l.Address)
			return err == nil && got.Generation == generation && got.Status == links.Active
		})
	}
}

// acked waits until every report is.
func (c *cell) acked() {
	c.t.Helper()
	n := c.Bus.Names()
	testenv.Eventually(c.t, patience, "every report is acknowledged", func() bool {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		got, err := c.Bus.JetStream().Consumer(ctx, n.In(), n.WorkerConsumer(provider))
		return err == nil && got.CachedInfo().NumPending == 0 && got.CachedInfo().NumAckPending == 0
	})
}

// report is a report of the end of a link's first token, unlike any other.
func (c *cell) report(l fleet.Link) (events.Message, error) {
	m, err := c.Report(events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
	delete(m.Header, events.HeaderMsgID) // the broker would drop most of the storm
	return m, err
}

func (c *cell) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// warnings is a log of what should be looked at: the rest would hide it.
func warnings(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testenv.LogWriter(t), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
