package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how often the lock server's clock is moved on, and so how much later
// than due a lock may expire: little beside the 200 ms TTL of tests.
const tick = 10 * time.Millisecond

// RedisConfig says where the lock server listens.
type RedisConfig struct {
	// Addr is host:port; port 0 picks a free one, "" means 127.0.0.1:0. The
	// server asks for no credentials.
	Addr string
}

// Redis is a running lock server. Its methods are safe for concurrent use.
type Redis struct {
	srv  *miniredis.Miniredis
	addr string
	stop context.CancelFunc
	done sync.WaitGroup
}

// StartRedis starts a lock server that keeps its keys in memory only. It is
// ready when StartRedis returns; ctx bounds the start, Close ends the server.
func StartRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	addr := cfg.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	srv := miniredis.NewMiniRedis()
	if err := srv.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("embedded Redis on %s: %w", addr, err)
	}
	r := &Redis{srv: srv, addr: srv.Addr()}
	r.runClock()
	return r, nil
}

// runClock makes TTLs run, which they never do in miniredis by themselves: a
// dead worker's lock would stay for ever. Its own ClockTTL follows the wall
// clock, so a corrected clock would end every lock at once or none for hours;
// this one follows the monotonic clock from where the wall clock stood at the
// start, and TIME and EXPIREAT agree with it.
func (r *Redis) runClock() {
	began := time.Now()
	r.srv.SetTime(began.UTC())
	r.srv.ClockTTL(true)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.done.Go(func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				r.srv.SetTime(began.Add(time.Since(began)).UTC())
			}
		}
	})
}

// Addr is the host:port that the server listens on.
func (r *Redis) Addr() string { return r.addr }

// URL is what clients connect to.
func (r *Redis) URL() string { return "redis://" + r.addr + "/0" }

// Close stops the server and its clock and waits for both. It may be called
// more than once. All keys are lost, as with a Redis that keeps no file.
func (r *Redis) Close() error {
	r.stop()
	r.done.Wait()
	r.srv.Close()
	return nil
}
