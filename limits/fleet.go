package limits

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/regrant/regrant/budget"
)

// fleet is what a worker knows of the others, guarded by the Limiter's mutex.
type fleet struct {
	// workers is how many there were when Redis last told.
	workers int
	// floor is until when that number does not fall: others are announcing themselves.
	floor time.Time
	// gone says that Redis does not answer; since it answers again, settled is when
	// all workers return to it.
	gone    bool
	settled time.Time
	// absences counts how often Redis was away.
	absences int

	pouring sync.Mutex
}

// memberTTL is how long a worker counts after its last announcement.
func memberTTL(b budget.Budget) time.Duration { return 3 * b.Heartbeat }

// settleFor is longer than it takes any worker to notice that Redis is back.
func settleFor(b budget.Budget) time.Duration { return b.LockRenew + 2*callTimeout(b) }

// apart says that this worker goes by its own share. It is called with the mutex held.
func (l *Limiter) apart(now time.Time) bool { return l.gone || l.settled.After(now) }

// Workers is how many workers were seen last, this one included.
func (l *Limiter) Workers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workers
}

// Available says whether the fleet goes by one bucket, as far as this worker is concerned.
func (l *Limiter) Available() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.apart(l.cfg.Now())
}

func (l *Limiter) absence() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.absences
}

// away notes that Redis did not answer. Only run finds out that it does again.
func (l *Limiter) away(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	l.gone = true
	l.begin()
	l.cfg.Log.Warn("rate limits go by this worker's share: Redis does not answer; check redis.url, the server and its permissions",
		"cause", cause, "workers", l.workers)
	select {
	case l.lost <- struct{}{}:
	default:
	}
}

// begin is the beginning of a time apart: own shares begin empty, and what gathers
// in the shared buckets will not be used. It is called with the mutex held.
func (l *Limiter) begin() {
	l.absences++
	for _, a := range l.apps {
		a.own = nil
	}
}

// errSettling means that other workers have been without Redis, and are not back yet.
var errSettling = errors.New("not all workers are back")

// join takes part in an absence of Redis that this worker did not notice: the
// others' shares and the whole rate would be too much.
func (l *Limiter) join(rest time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.cfg.Now(); !l.apart(now) {
		l.begin()
		l.settled = now.Add(rest)
	}
	return errSettling
}

// run announces the worker, more often while Redis is away.
func (l *Limiter) run(ctx context.Context) {
	for l.announce(ctx); ; {
		every := l.cfg.Budget.Heartbeat
		if l.isGone() {
			every = l.cfg.Budget.LockRenew
		}
		timer := time.NewTimer(every)
		select {
		case <-timer.C:
			l.announce(ctx)
		case <-l.lost: // sooner, from now on
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (l *Limiter) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

func (l *Limiter) announce(ctx context.Context) {
	n, err := l.shared.announce(ctx)
	if err == nil && l.isGone() {
		err = l.comeBack(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		l.away(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.floor.After(l.cfg.Now()) {
		n = max(n, l.workers)
	}
	l.workers = n
}

// comeBack agrees with the others on the moment from which all use the shared
// bucket again, and tells Redis of the pauses that it missed.
func (l *Limiter) comeBack(ctx context.Context) error {
	rest, err := l.shared.settle(ctx, settleFor(l.cfg.Budget))
	if err != nil {
		return err
	}
	now := l.cfg.Now()
	for name, left := range l.pauses(now) {
		if err := l.shared.pause(ctx, name, left); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone, l.settled, l.floor = false, now.Add(rest), now.Add(memberTTL(l.cfg.Budget))
	l.cfg.Log.Info("rate limits are the fleet's again", "in", rest)
	return nil
}

func (l *Limiter) pauses(now time.Time) map[string]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := map[string]time.Duration{}
	for name, a := range l.apps {
		if a.paused.After(now) {
			left[name] = a.paused.Sub(now)
		}
	}
	return left
}
