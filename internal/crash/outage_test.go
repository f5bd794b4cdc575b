package crash_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// outageBudget is long beside a server's restart, so that what is tested is the
// outage and not the end of every deadline in it.
const outageBudget = 2 * time.Second

// TestRedisDiesInTheStorm: the intent alone keeps the promise, and nobody waits
// for the lock server to come back.
func TestRedisDiesInTheStorm(t *testing.T) {
	t.Parallel()
	s := start(t)
	if s.redis == nil {
		t.Skip("no redis-server on the PATH: the embedded one is no process to kill")
	}
	c := newCell(t, s, forbidden, outageBudget, twenty)
	workers := c.hitsStorm(s.redis)
	c.advance(1)
	c.advance(2) // from beginning to end without locks
	s.redis.Restart()
	c.advance(3)
	c.rest()
	c.allEnd(ending{links.Active, 4, 3})
	c.retire(workers...)
}

// TestNATSDiesInTheStorm: the store, the queues and the timers vanish when the
// provider has consumed every token, and come back from their disk.
func TestNATSDiesInTheStorm(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := newCell(t, s, forbidden, outageBudget, twenty)
	workers := c.hitsStorm(s.nats)
	s.nats.Restart()
	c.advance(1)
	c.advance(2)
	c.rest()
	c.allEnd(ending{links.Active, 3, 2})
	c.retire(workers...)
}

// hitsStorm kills a server when the provider has acted for every link, and only
// then lets the answers out.
func (c *cell) hitsStorm(server *testenv.Process) []*testenv.Process {
	c.t.Helper()
	arrived, out := make(chan providertest.Presentation), make(chan struct{})
	c.faults(providertest.Fault{When: providertest.After, Kind: providertest.Delay, Arrived: arrived, Hold: out})
	workers := []*testenv.Process{c.worker(), c.worker()}
	c.rage(hundredEach)
	for range c.links {
		c.arrives(arrived)
	}
	server.Kill()
	close(out)
	return workers
}

// advance reports a generation of every link and waits for the next.
func (c *cell) advance(generation uint64) {
	c.t.Helper()
	for _, l := range c.links {
		m, err := c.Report(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
		if err == nil {
			err = c.Bus.PublishInput(c.ctx, m)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	c.await(fmt.Sprintf("every link past generation %d", generation), func() bool {
		return c.witness.count(func(l links.Link) bool { return l.Generation > generation }) == len(c.links)
	})
}
