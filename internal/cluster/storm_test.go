package cluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers/providertest"
)

// TestServersDieInTheStorm: while tokens end, one after the other, and each end is
// reported twenty times, the leader of the links is killed, a worker with answers
// that it could not save yet, and a Redis primary. Each token is presented once.
func TestServersDieInTheStorm(t *testing.T) {
	needsClusters(t)
	s := stormSize()
	c := newCell(t, s.lockTTL, 3)
	c.add(s.before + s.during + s.after)
	c.staff()
	r := c.reporters()
	before, during, after := c.links[:s.before], c.links[s.before:s.before+s.during], c.links[s.before+s.during:]

	r.run(before, s.every)()
	c.rest(before, 2)
	var killed []time.Time
	for round := range s.rounds {
		part := during[round*len(during)/s.rounds : (round+1)*len(during)/s.rounds]
		killed = append(killed, c.round(round, r, part, s.every))
	}
	r.run(after, s.every)()
	c.rest(after, 2)
	c.acked()

	c.presentedOnce()
	c.announcedOnce()
	c.figures(r.first, killed, map[string][]fleet.Link{"before": before, "during": during, "after": after})
	c.retire()
}

// round kills a server of each kind while the tokens of some links end, and returns
// when it did and all are as they were.
func (c *cell) round(n int, r *reporters, part []fleet.Link, every time.Duration) time.Time {
	c.t.Helper()
	stream := []string{"KV_" + c.Bus.Names().Links(), c.Bus.Names().In(), c.Bus.Names().Out()}[n%3]
	leader := c.leader(stream)
	c.t.Logf("killing n%d, which leads %v", leader, c.ledBy(leader))
	reported := r.run(part, every)
	at := time.Now()
	c.nats.Servers[leader].Kill()
	primary := c.redis.Servers[n]
	primary.Kill()
	var worker *testenv.Process
	if n == 0 {
		// Nothing is intended without the leader of the links. With no answer on its
		// way either, what the worker takes with it is what it has spooled.
		c.quiet()
		worker = c.workers[0]
		worker.Kill()
		c.t.Logf("killed a worker %s later", time.Since(at).Round(time.Millisecond))
	}
	reported()
	if worker != nil {
		worker.Restart()
	}
	c.rest(part, 2)
	c.t.Logf("all is refreshed %s after the kill; restarting", time.Since(at).Round(time.Millisecond))
	c.nats.Servers[leader].Restart()
	primary.Restart()
	c.whole(3)
	return at
}

// quiet waits until the provider has not been asked for half a second.
func (c *cell) quiet() {
	c.t.Helper()
	seen, since := -1, time.Now()
	testenv.Eventually(c.t, patience, "the provider is not asked", func() bool {
		if n := len(c.presentations()); n != seen {
			seen, since = n, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
}

// reporters are connections of services that report.
type reporters struct {
	c     *cell
	conns []*bus.Bus
	mu    sync.Mutex
	// first is when the end of a link's token was first reported.
	first map[events.Address]time.Time
}

func (c *cell) reporters() *reporters {
	c.t.Helper()
	r := &reporters{c: c, first: map[events.Address]time.Time{}}
	for range 4 {
		b, err := c.Connect(c.ctx, "reporter")
		c.must(err)
		r.conns = append(r.conns, b)
		c.t.Cleanup(func() { _ = b.Close(context.Background()) })
	}
	return r
}

// run has the tokens of links end, one after the other. What it returns waits until
// every report is stored.
func (r *reporters) run(made []fleet.Link, every time.Duration) (wait func()) {
	var all sync.WaitGroup
	all.Go(func() {
		next := time.NewTicker(every)
		defer next.Stop()
		for _, l := range made {
			<-next.C
			r.mu.Lock()
			r.first[l.Address] = time.Now()
			r.mu.Unlock()
			for _, conn := range r.conns {
				all.Go(func() { r.report(conn, l) })
			}
		}
	})
	return all.Wait
}

func (r *reporters) report(conn *bus.Bus, l fleet.Link) {
	for range reportsEach / len(r.conns) {
		m, err := r.c.report(l)
		if err == nil {
			err = conn.PublishInput(r.c.ctx, m)
		}
		if err != nil {
			r.c.t.Errorf("report %s: %v", l.Link, err)
		}
	}
}

func (c *cell) presentations() []providertest.Presentation {
	c.t.Helper()
	ledger, err := c.Sim.Ledger()
	c.must(err)
	return ledger.Presentations(providertest.Filter{})
}
