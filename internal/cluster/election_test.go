package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/locks"
)

// TestWithoutALeaderEverybodyWaits: while one of three servers is left nothing has a
// leader, whether or not the one that is left still takes itself for it. Who reports,
// starts or provisions then is not refused, but served when the others are back.
func TestWithoutALeaderEverybodyWaits(t *testing.T) {
	for name, leader := range map[string]int{"the leader is left": 0, "the leader is gone": 1} {
		t.Run(name, func(t *testing.T) { everybodyWaits(t, leader) })
	}
}

func everybodyWaits(t *testing.T, leader int) {
	needsClusters(t)
	c := newCell(t, budget.Default/5, 3)
	c.add(1)
	// With an id: a server that still takes itself for the leader stores each repetition.
	report, err := c.Report(events.TokenExpired{Address: c.links[0].Address, Generation: 1, Reason: events.ReasonUnauthorized})
	c.must(err)
	// The connection is to the server that stays: the first of the list.
	b, err := bus.Connect(c.ctx, bus.Config{URL: c.nats.Servers[0].URL, Role: "reporter", Budget: c.Config.Budget(), Log: warnings(t)})
	c.must(err)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	c.lead(c.Bus.Names().In(), leader)
	c.nats.Servers[1].Kill()
	c.nats.Servers[2].Kill()

	var all sync.WaitGroup
	for what, do := range map[string]func() error{
		"report": func() error { return b.PublishInput(c.ctx, report) },
		"verify": func() error { return b.Verify(c.ctx, worker.Plan(c.Config)) },
		"open the store": func() error {
			_, err := worker.Store(c.ctx, b)
			return err
		},
		"provision": func() error {
			_, err := b.Provision(c.ctx, worker.Plan(c.Config))
			return err
		},
	} {
		all.Go(func() {
			began := time.Now()
			if err := do(); err != nil {
				t.Errorf("%s: %v after %s", what, err, time.Since(began))
			}
		})
	}
	// Long enough for a first question to have gone without an answer.
	<-time.After(6 * time.Second)
	c.nats.Servers[1].Restart()
	c.nats.Servers[2].Restart()
	all.Wait()
	in, err := c.info(c.Bus.Names().In())
	c.must(err)
	if in.State.Msgs != 1 {
		t.Errorf("%d reports are stored, want the one", in.State.Msgs)
	}
}

// TestLocksFollowAFailover: the locks of a primary that was killed can be taken soon
// after its replica took over, and not only when go-redis looks by itself, a minute later.
func TestLocksFollowAFailover(t *testing.T) {
	needsClusters(t)
	servers := testenv.RedisCluster(t)
	b := budget.Of(budget.Default)
	client, err := locks.Dial(servers.URL, b)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	locker := locks.New(client, locks.Config{Worker: "w", Budget: b})
	defer locker.Close()
	taken := func() (n int) {
		for i := range 30 {
			lease, err := locker.Acquire(t.Context(), fmt.Sprint("key-", i))
			if err == nil && lease.Release(t.Context()) == nil {
				n++
			}
		}
		return n
	}
	if n := taken(); n != 30 {
		t.Fatalf("%d of 30 locks were taken of a whole cluster", n)
	}
	servers.Servers[0].Kill()
	began := time.Now()
	testenv.Eventually(t, 40*time.Second, "all locks can be taken", func() bool { return taken() == 30 })
	t.Logf("all locks %s after the primary was killed, which others notice after %s", time.Since(began).Round(100*time.Millisecond), testenv.RedisNodeTimeout)
}

// TestTimersOutliveAnElection: the leader of the timers is killed just before they
// are due. Each fires, and not before its time.
func TestTimersOutliveAnElection(t *testing.T) {
	needsClusters(t)
	c := newCell(t, budget.Default/5, 3)
	const timers = 200
	at := time.Now().Add(3 * time.Second)
	for i := range timers {
		c.must(c.Bus.Arm(c.ctx, bus.Timer{Address: timed(i), Number: 1, At: at}))
	}
	fired := map[string]int{}
	c.nats.Servers[c.leader(c.Bus.Names().Timer())].Kill()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	spec := bus.WatchSpec{Stream: c.Bus.Names().Timer(), Subject: c.Bus.Names().Subjects().DueAll(), Since: at.Add(-time.Minute)}
	err := c.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
		if fired[m.Subject]++; m.StoredAt.Before(at) {
			t.Errorf("a timer fired %s before its time", at.Sub(m.StoredAt))
		}
		if len(fired) == timers {
			cancel()
		}
		return nil
	})
	if len(fired) != timers {
		t.Fatalf("%d of %d timers fired: %v", len(fired), timers, err)
	}
	again := 0
	for _, n := range fired {
		again += n - 1
	}
	t.Logf("%d timers fired, the last %s after they were due; %d fired again", timers, time.Since(at).Round(100*time.Millisecond), again)
}

func timed(i int) events.Address {
	return events.Address{Tenant: "default", Provider: provider, Link: fmt.Sprint("timed-", i)}
}
