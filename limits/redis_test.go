package limits_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/locks"
)

// These tests run on real servers and a real clock. Nobody knows when exactly a
// token was granted, only between which two moments; so that a slow machine cannot
// fail them, what is counted is only what was granted within a window for certain.

// span is when Take was called, and when it had granted.
type span struct{ from, to time.Time }

// crowd has four workers' callers take tokens, and returns what was granted.
type crowd struct {
	mu     sync.Mutex
	grants []span
	enough int
	full   chan struct{} // closed when so many are granted
}

func (c *crowd) granted(s span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grants = append(c.grants, s); len(c.grants) == c.enough {
		close(c.full)
	}
}

// await returns when n more are granted.
func (c *crowd) await(t *testing.T, n int) {
	t.Helper()
	c.mu.Lock()
	c.enough, c.full = len(c.grants)+n, make(chan struct{})
	full := c.full
	c.mu.Unlock()
	select {
	case <-full:
	case <-time.After(time.Minute):
		t.Fatalf("not %d more tokens in a minute", n)
	}
}

func (c *crowd) caller(ctx context.Context, l *limits.Limiter, r limits.Rate) {
	for {
		from := time.Now()
		wait, err := l.Take(ctx, "op", r)
		if err != nil {
			return
		}
		if wait == 0 {
			c.granted(span{from, time.Now()})
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// surely is by how much, in the worst of all windows, more was granted for certain
// than the rate gives.
func surely(grants []span, r limits.Rate) float64 {
	perSecond, worst := float64(r.Count)/r.Per.Seconds(), 0.0
	slices.SortFunc(grants, func(a, b span) int { return a.to.Compare(b.to) })
	for _, begin := range grants {
		inside := 0
		for _, g := range grants {
			if g.from.Before(begin.from) {
				continue
			}
			inside++
			worst = max(worst, float64(inside)-g.to.Sub(begin.from).Seconds()*perSecond)
		}
	}
	return worst
}

func gather(t *testing.T, url string, b budget.Budget, r limits.Rate) *crowd {
	t.Helper()
	c := &crowd{}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 4 {
		client, err := locks.Dial(url, b)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		l := limits.New(client, limits.Config{Worker: fmt.Sprint("worker-", i), Budget: b, Log: testenv.Log(t)})
		t.Cleanup(l.Close)
		for range 5 {
			all.Go(func() { c.caller(ctx, l, r) })
		}
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	return c
}

func (c *crowd) keeps(t *testing.T, r limits.Rate) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := surely(slices.Clone(c.grants), r)
	if t.Logf("%d granted, at worst %.2f beyond the rate, the burst is %d", len(c.grants), worst, r.Burst); worst > float64(r.Burst)+tenth {
		t.Error("more than one burst beyond the rate")
	}
}

func TestAFleetKeepsToOneRateOnRealServers(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"redis-server": func(t *testing.T) string { return testenv.RealRedis(t).URL },
		"embedded":     func(t *testing.T) string { return testenv.Redis(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := limits.Rate{Count: 200, Per: time.Second, Burst: 20}
			c := gather(t, url(t), budget.Of(time.Minute), r)
			c.await(t, 400)
			c.keeps(t, r)
		})
	}
}

// TestRealRedisStoppedAndKilledInTheMiddle: first it stands still with all it
// knows, then it is gone with it.
func TestRealRedisStoppedAndKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	server := testenv.RealRedis(t)
	r := limits.Rate{Count: 100, Per: time.Second, Burst: 20}
	c := gather(t, server.URL, budget.Of(5*time.Second), r)
	c.await(t, 100)
	server.Stop()
	c.await(t, 100)
	server.Cont()
	c.await(t, 100)
	server.Kill()
	c.await(t, 100)
	server.Restart()
	c.await(t, 300)
	c.keeps(t, r)
}
