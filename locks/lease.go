package locks

import (
	"context"
	"errors"
	"time"

	"github.com/bsm/redislock"
)

// lease is one lock of ours and the goroutine that renews it.
type lease struct {
	redis *Redis
	lock  *redislock.Lock
	value string             // token and metadata, as the key carries them
	stop  context.CancelFunc // ends the renewals
	lost  chan struct{}
}

// lease starts the renewals of a lock just taken.
func (r *Redis) lease(lock *redislock.Lock) (Lease, error) {
	ctx, stop := context.WithCancel(r.ctx)
	l := &lease{
		redis: r, lock: lock, value: lock.Token() + lock.Metadata(),
		stop: stop, lost: make(chan struct{}),
	}
	if err := r.run(func() { l.renew(ctx) }); err != nil { // closed meanwhile: the TTL frees the lock
		stop()
		return nil, err
	}
	return l, nil
}

// renew keeps the lock until ctx ends or the lock is lost. confirmed is when
// Redis was last heard to hold it for us: the TTL has certainly passed one TTL
// later, except where a renewal was carried out whose reply was lost.
func (l *lease) renew(ctx context.Context) {
	b := l.redis.cfg.Budget
	confirmed, pause := time.Now(), b.LockRenew
	for wait(ctx, pause) {
		err := l.refresh(ctx, confirmed.Add(b.LockTTL))
		left := b.LockTTL - time.Since(confirmed)
		switch {
		case err == nil:
			confirmed, pause = time.Now(), b.LockRenew
		case ctx.Err() != nil:
			return
		case errors.Is(err, redislock.ErrNotObtained), left <= 0:
			l.redis.cfg.Log.Warn("lock lost", "key", l.lock.Key(), "cause", err)
			close(l.lost)
			return
		default:
			pause = min(b.LockRenew/3, left)
		}
	}
}

// refresh asks Redis once, until expiry at the latest.
func (l *lease) refresh(ctx context.Context, expiry time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, expiry)
	defer cancel()
	return l.redis.call(ctx, func(ctx context.Context) error {
		return l.lock.Refresh(ctx, l.redis.cfg.Budget.LockTTL, nil)
	})
}

// Release implements Lease.
func (l *lease) Release(ctx context.Context) error {
	l.stop()
	// A renewal under way may still arrive: it finds its own token or does nothing.
	err := l.release(ctx)
	if err == nil || errors.Is(err, redislock.ErrLockNotHeld) {
		return nil
	}
	l.redis.giveBack(l.lock.Key(), l.value)
	return err
}

func (l *lease) release(ctx context.Context) error {
	if err := l.redis.circuit.allow(); err != nil {
		return err
	}
	return l.redis.call(ctx, l.lock.Release)
}

// Lost implements Lease.
func (l *lease) Lost() <-chan struct{} { return l.lost }
