package locks

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
)

// Config says who takes the locks and how long they live.
type Config struct {
	// Worker is written beside the token, for people who look into Redis. It
	// has no part in deciding who holds a lock.
	Worker string
	// Budget gives TTL and renewal interval; the zero value means budget.Default.
	Budget budget.Budget
	// Prefix sets this installation's keys apart: <prefix>:lock:<key>. "" means "regrant".
	Prefix string
	// Log hears when the lock server goes away and comes back. nil discards it.
	Log *slog.Logger
}

// Redis is a Locker over redislock. Close it when no lease is held any more.
type Redis struct {
	cfg     Config
	client  redis.Scripter
	locks   *redislock.Client
	circuit *circuit

	ctx    context.Context // of all that runs in the background
	cancel context.CancelFunc
	mu     sync.Mutex // guards closed against running
	closed bool
	runs   sync.WaitGroup
}

var _ Locker = (*Redis)(nil)

// errClosed is the cause of ErrUnavailable after Close.
var errClosed = errors.New("locker is closed")

// New returns a Locker on client, which stays the caller's to close, after the
// Locker. A client from Dial has time-outs that fit the budget.
func New(client redis.UniversalClient, cfg Config) *Redis {
	if cfg.Budget == (budget.Budget{}) {
		cfg.Budget = budget.Of(budget.Default)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Redis{
		cfg: cfg, client: client, locks: redislock.New(newPipelined(client, callTimeout(cfg.Budget))),
		circuit: &circuit{every: cfg.Budget.LockRenew, log: cfg.Log},
		ctx:     ctx, cancel: cancel,
	}
}

// KeyPattern matches the keys of an installation's locks, as Redis' ACLs write it.
func KeyPattern(prefix string) string { return keys(prefix) + "*" }

func keys(prefix string) string { return cmp.Or(prefix, "regrant") + ":lock:" }

// Acquire implements Locker.
func (r *Redis) Acquire(ctx context.Context, key string) (Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.circuit.allow(); err != nil {
		return nil, err
	}
	// redislock's own random token would do, but is not known when Obtain fails.
	// It compares tokens by prefix: all of ours are random and of one length.
	opts := redislock.Options{Token: rand.Text(), Metadata: ":" + r.cfg.Worker}
	name := keys(r.cfg.Prefix) + key
	lock, err := r.obtain(ctx, name, &opts)
	switch {
	case err == nil:
		return r.lease(lock)
	case errors.Is(err, redislock.ErrNotObtained):
		return nil, fmt.Errorf("lock %s: %w", key, ErrHeld)
	default:
		r.giveBack(name, opts.Token+opts.Metadata)
		return nil, err
	}
}

func (r *Redis) obtain(ctx context.Context, name string, opts *redislock.Options) (*redislock.Lock, error) {
	var lock *redislock.Lock
	err := r.call(ctx, func(ctx context.Context) (err error) {
		lock, err = r.locks.Obtain(ctx, name, r.cfg.Budget.LockTTL, opts)
		return err
	})
	return lock, err
}

// call asks Redis once, within its time-out, and reports to the circuit whether
// Redis answered. Its error is nil, an answer of redislock, ctx.Err() or
// ErrUnavailable with the cause.
func (r *Redis) call(ctx context.Context, ask func(context.Context) error) error {
	limit := callTimeout(r.cfg.Budget)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := ask(bounded)
	over := over(ctx)
	switch {
	case err == nil, errors.Is(err, redislock.ErrNotObtained), errors.Is(err, redislock.ErrLockNotHeld):
		r.circuit.succeeded()
		return err
	case over != nil: // says nothing about Redis
		return over
	case errors.Is(err, context.DeadlineExceeded): // ours: must not look like the caller's
		err = fmt.Errorf("no answer within %v", limit)
	}
	r.circuit.failed(err)
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// over is ctx.Err(), also in the moment between the deadline, at which the
// connection gives up, and the context's own notice of it.
func over(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// leastTimeout is what tests at a fiftieth of the budget get: less would measure
// the scheduler of a busy machine, not Redis.
const leastTimeout = 100 * time.Millisecond

// callTimeout bounds one exchange with Redis: half the renewal interval leaves
// time to notice, try again and still renew well within the TTL.
func callTimeout(b budget.Budget) time.Duration { return max(b.LockRenew/2, leastTimeout) }

// remove deletes a key if it carries value. redislock can do it only for locks
// that it knows it took.
var remove = redis.NewScript(`
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`)

// giveBack removes, in the background, a lock that may have been taken. It
// tries until Redis answers or one TTL has passed.
func (r *Redis) giveBack(name, value string) {
	_ = r.run(func() { // after Close the TTL does it
		ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Budget.LockTTL)
		defer cancel()
		for {
			bounded, stop := context.WithTimeout(ctx, callTimeout(r.cfg.Budget))
			err := remove.Run(bounded, r.client, []string{name}, value).Err()
			stop()
			if err == nil || !wait(ctx, r.cfg.Budget.LockRenew) {
				return
			}
		}
	})
}

// run starts f in the background, unless the Locker is closed.
func (r *Redis) run(f func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("%w: %w", ErrUnavailable, errClosed)
	}
	r.runs.Go(f)
	return nil
}

// Available says whether Redis answered when it was last asked.
func (r *Redis) Available() bool { return r.circuit.available() }

// Close stops all renewals and waits for them. Leases that are still held can
// be released as long as the client is open; else they run out within a TTL. It
// may be called more than once.
func (r *Redis) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.runs.Wait()
}

// wait returns false if ctx ends before d has passed.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
