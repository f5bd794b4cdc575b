package locks_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/locks"
)

// world is a Redis inside a synctest bubble, whose clock the bubble drives, and
// a Locker whose exchanges with it can be spoilt.
type world struct {
	*testing.T
	b      budget.Budget
	server *miniredis.Miniredis
	client *redis.Client
	lock   *locks.Redis
	log    *records

	mu     sync.Mutex
	fault  fault
	calls  int // exchanges since the last set
	active int // exchanges under way
}

// fault is what happens to an exchange with Redis.
type fault int

const (
	none      fault = iota
	notSent         // fails before Redis sees it
	replyLost       // carried out, but the caller sees an error
	hangs           // carried out, but the caller hears nothing until its context ends
	slow            // carried out, and takes a millisecond
	timesOut        // not carried out; the connection notices the deadline, the context not yet
)

func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, b: budget.Of(budget.Default), server: miniredis.NewMiniRedis(), log: &records{}}
		w.server.ClockTTL(true)
		w.client = redis.NewClient(&redis.Options{
			Dialer:     func(context.Context, string, string) (net.Conn, error) { return w.server.Dial() },
			Addr:       "127.0.0.1:1", // a name would be looked up, which no bubble can do
			MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		t.Cleanup(w.server.Close)
		t.Cleanup(func() { _ = w.client.Close() })
		w.client.AddHook(w)
		w.lock = w.locker("one")
		test(t, w)
	})
}

func (w *world) locker(worker string) *locks.Redis {
	l := locks.New(w.client, locks.Config{Worker: worker, Budget: w.b, Log: slog.New(w.log)})
	w.Cleanup(l.Close)
	return l
}

// set returns how many exchanges there were since the last set.
func (w *world) set(f fault) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.fault, w.calls = f, 0
	return calls
}

func (w *world) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w *world) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		f := w.enter()
		defer w.leave()
		if f == slow {
			time.Sleep(time.Millisecond)
		}
		if err := ctx.Err(); err != nil {
			for _, cmd := range cmds {
				_ = fail(cmd, err)
			}
			return err
		}
		return next(ctx, cmds)
	}
}

func (w *world) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") { // a connection's greeting
			return next(ctx, cmd)
		}
		f := w.enter()
		defer w.leave()
		if f == notSent {
			return fail(cmd, io.EOF)
		}
		if f == timesOut {
			deadline, _ := ctx.Deadline()
			time.Sleep(time.Until(deadline))
			return fail(cmd, os.ErrDeadlineExceeded)
		}
		err := next(context.WithoutCancel(ctx), cmd)
		if redis.HasErrorPrefix(err, "NOSCRIPT") { // the script follows; spoil that
			return err
		}
		switch f {
		case slow:
			time.Sleep(time.Millisecond)
		case replyLost:
			return fail(cmd, io.ErrUnexpectedEOF)
		case hangs:
			<-ctx.Done()
			return fail(cmd, ctx.Err())
		}
		return err
	}
}

func fail(cmd redis.Cmder, err error) error {
	cmd.SetErr(err)
	return err
}

func (w *world) enter() fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.active++
	return w.fault
}

func (w *world) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
}

func (w *world) underWay() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.active
}

func (w *world) exists() bool { return w.server.Exists("regrant:lock:k") }

func (w *world) isLost(l locks.Lease) bool {
	synctest.Wait()
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func (w *world) wantUnavailable(err error) {
	w.Helper()
	if !errors.Is(err, locks.ErrUnavailable) {
		w.Errorf("want ErrUnavailable, got %v", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		w.Error("the locker's own time-out looks like the caller's")
	}
}

// records keeps the first part of each message.
type records struct {
	mu   sync.Mutex
	list []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	message, _, _ := strings.Cut(rec.Message, ":")
	r.list = append(r.list, message)
	return nil
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, "|")
}
