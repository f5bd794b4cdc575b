package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bsm/redislock"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
)

// handle acks what is done or not ours, and lets come again what failed.
func (f *member) handle(ctx context.Context, m jetstream.Msg) {
	a, name, err := f.names.Subjects().ParseIn(m.Subject())
	generation, ok := events.GenerationOf(m.Headers())
	if err != nil || name != events.NameTokenExpired || !ok {
		f.settle(m.Term())
		return
	}
	if err := f.expired(ctx, a, generation, m); err != nil {
		f.log.Warn("comes again", "link", a.Link, "error", err)
		f.settle(m.NakWithDelay(f.cfg.Budget().LockRenew))
		return
	}
	f.settle(m.Ack())
}

// settle: a message that could not be acked is delivered again, and found stale.
func (f *member) settle(err error) {
	if err != nil {
		f.log.Warn("not settled", "error", err)
	}
}

// expired refreshes a link under its lock, unless that has been done.
func (f *member) expired(ctx context.Context, a events.Address, generation uint64, m jetstream.Msg) error {
	if r, err := f.store.Get(ctx, a); err != nil || r.Stale(generation) {
		return err
	}
	b := f.cfg.Budget()
	lock, err := f.locks.Obtain(ctx, "lockonly:"+a.String(), b.LockTTL, &redislock.Options{
		RetryStrategy: redislock.LimitRetry(redislock.LinearBackoff(b.LockTTL/20), 20),
	})
	if err != nil {
		return fmt.Errorf("lock: %w", err) // without it nothing is presented
	}
	stop := f.keep(ctx, lock, m)
	defer func() {
		stop()
		_ = lock.Release(ctx) // else it runs out
	}()
	r, err := f.store.Get(ctx, a) // again: whoever had the lock may have done it
	if err != nil || r.Stale(generation) {
		return err
	}
	return f.refresh(ctx, a, r)
}

// keep renews the lock and the message's time until it is stopped.
func (f *member) keep(ctx context.Context, lock *redislock.Lock, m jetstream.Msg) (stop func()) {
	b := f.cfg.Budget()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(b.LockRenew)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = lock.Refresh(ctx, b.LockTTL, nil) // a lock that is lost is no reason to cut the call
				_ = m.InProgress()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// refresh presents, saves and announces, in this order.
func (f *member) refresh(ctx context.Context, a events.Address, was bare.Record) error {
	is, err := f.apps[a.Provider].refresh(ctx, was, f.cfg.Budget().Deadline)
	if err != nil {
		return err
	}
	if err := f.save(ctx, a, is); err != nil {
		return err
	}
	return f.announce(ctx, a, is)
}
