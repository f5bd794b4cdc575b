package limits_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/limits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var normal = budget.Of(budget.Default)

// world is a Redis inside a synctest bubble, whose clock is fake, and workers that
// can be cut off from it.
type world struct {
	*testing.T
	server *miniredis.Miniredis

	mu     sync.Mutex
	cut    map[string]bool // by worker
	calls  int
	grants []time.Time
}

func inBubble(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, server: miniredis.NewMiniRedis(), cut: map[string]bool{}}
		w.server.ClockTTL(true)
		t.Cleanup(w.server.Close)
		test(w)
	})
}

func (w *world) worker(name string) *limits.Limiter {
	client := redis.NewClient(&redis.Options{
		Dialer:     func(context.Context, string, string) (net.Conn, error) { return w.server.Dial() },
		Addr:       "127.0.0.1:1", // a name would be looked up, which no bubble can do
		MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	w.Cleanup(func() { _ = client.Close() })
	client.AddHook(hook{w, name})
	l := limits.New(client, limits.Config{Worker: name, Budget: normal, Log: testenv.Log(w)})
	w.Cleanup(l.Close)
	synctest.Wait()
	return l
}

func (w *world) workers(n int) []*limits.Limiter {
	var all []*limits.Limiter
	for i := range n {
		all = append(all, w.worker(fmt.Sprint("worker-", i)))
	}
	time.Sleep(4 * normal.Heartbeat) // they have counted each other
	return all
}

// reach cuts workers off, all without a name, or lets them through again.
func (w *world) reach(is bool, names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(names) == 0 {
		for i := range 4 {
			names = append(names, fmt.Sprint("worker-", i))
		}
	}
	for _, name := range names {
		w.cut[name] = !is
	}
}

// hook is one worker's way to Redis.
type hook struct {
	*world
	name string
}

var errCut = errors.New("cut off")

func (h hook) passes() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if h.cut[h.name] {
		return errCut
	}
	return nil
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := h.passes(); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := h.passes(); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// called returns how many exchanges with Redis there were since the last time.
func (w *world) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.calls
	w.calls = 0
	return n
}

// demand has callers of every worker ask for tokens for so long, as a storm would.
func (w *world) demand(workers []*limits.Limiter, r limits.Rate, d time.Duration) {
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	for _, l := range workers {
		for range 20 {
			all.Go(func() { w.caller(ctx, l, r) })
		}
	}
	all.Wait()
}

func (w *world) caller(ctx context.Context, l *limits.Limiter, r limits.Rate) {
	for ctx.Err() == nil {
		wait, err := l.Take(ctx, "op", r)
		if err != nil {
			return
		}
		if wait == 0 {
			w.mu.Lock()
			w.grants = append(w.grants, time.Now())
			w.mu.Unlock()
		}
		time.Sleep(max(wait, time.Millisecond))
	}
}

// granted returns the times of all tokens since the last call.
func (w *world) granted() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.grants
	w.grants = nil
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// excess is by how much, in the worst of all windows, more was granted than the
// rate gives in that time. It may not be above one burst.
func excess(grants []time.Time, r limits.Rate) float64 {
	perSecond := float64(r.Count) / r.Per.Seconds()
	worst, level := 0.0, 0.0
	for i, at := range grants {
		if i > 0 {
			level = max(level-at.Sub(grants[i-1]).Seconds()*perSecond, 0)
		}
		level++
		worst = max(worst, level)
	}
	return worst
}
