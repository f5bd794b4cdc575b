package limits

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
)

// Config says who takes part in the limits.
type Config struct {
	// Worker is this process's name, which no other has.
	Worker string
	// Prefix sets this installation's keys apart: <prefix>:rate:<app> and others. ""
	// means "regrant".
	Prefix string
	// Budget gives intervals and time-outs; the zero value means budget.Default.
	Budget budget.Budget
	// Fleet is how many workers are assumed until Redis has told. Zero means 4.
	Fleet int
	// Denied, if set, is told of each caller that was told to wait.
	Denied func(app string, wait time.Duration)
	// Now is this host's clock; nil: time.Now.
	Now func() time.Time
	// Log hears when Redis goes away and comes back. nil discards it.
	Log *slog.Logger
}

// Limiter says when an app's provider may be asked. It is safe for concurrent use.
// Make it with New, end it with Close.
type Limiter struct {
	cfg    Config
	shared *shared

	mu   sync.Mutex
	apps map[string]*app
	fleet

	lost    chan struct{} // Redis went away
	stop    context.CancelFunc
	stopped <-chan struct{}
	running sync.WaitGroup
}

// New announces the worker, again and again until Close. The client stays the
// caller's to close, after the Limiter; one from locks.Dial has fitting time-outs.
// It succeeds without Redis.
func New(client redis.UniversalClient, cfg Config) *Limiter {
	cfg = cfg.filled()
	ctx, stop := context.WithCancel(context.Background())
	l := &Limiter{
		cfg: cfg, shared: newShared(client, cfg), apps: map[string]*app{},
		fleet: fleet{workers: cfg.Fleet, floor: cfg.Now().Add(memberTTL(cfg.Budget))},
		lost:  make(chan struct{}, 1), stop: stop, stopped: ctx.Done(),
	}
	l.running.Go(func() { l.run(ctx) })
	return l
}

func (c Config) filled() Config {
	if c.Prefix == "" {
		c.Prefix = "regrant"
	}
	if c.Budget == (budget.Budget{}) {
		c.Budget = budget.Of(budget.Default)
	}
	if c.Fleet < 1 {
		c.Fleet = 4
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Close ends the announcements, waits for that, and takes the worker out of the
// fleet. It may be called more than once.
func (l *Limiter) Close() {
	l.stop()
	l.running.Wait()
	_ = l.shared.leave(context.Background()) // else others count it for a little longer
}

// Take asks for permission to make one attempt now: 0 is yes, else it is how long
// to wait before asking again, and nothing was taken. Its only error is that of
// ctx. With an unlimited rate it still waits for the end of a pause.
func (l *Limiter) Take(ctx context.Context, name string, r Rate) (wait time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	wait, local, free := l.remembered(name, r)
	if wait == 0 && !local && !free {
		if wait, err = l.ask(ctx, name, r); err != nil && over(ctx) != nil {
			return 0, over(ctx)
		}
		if local = err != nil; local && !errors.Is(err, errSettling) {
			l.away(err)
		}
	}
	if wait == 0 && local {
		wait = l.own(name, r)
	}
	if wait > 0 && l.cfg.Denied != nil {
		l.cfg.Denied(name, wait)
	}
	return wait, nil
}

// remembered answers from memory: a pause, or a token that is not there yet. local
// says that Redis is not to be asked, free that it need not be: a moment ago there was
// nothing to keep to.
func (l *Limiter) remembered(name string, r Rate) (wait time.Duration, local, free bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, now := l.app(name), l.cfg.Now()
	local = l.apart(now)
	if a.paused.After(now) {
		return a.queue(now, a.paused.Sub(now), r), local, false
	}
	if a.denied.After(now) {
		return a.queue(now, a.denied.Sub(now), r), local, false
	}
	return 0, local, r.unlimited() && a.open.After(now)
}

// moment is for how long what Redis said, or is to be told, may wait where a great
// many would ask or tell the same: 100 ms with the default budget.
func (l *Limiter) moment() time.Duration { return l.cfg.Budget.LockTTL / 100 }

// Resting is how long an app is known here to be left alone still, because its
// provider asked for it. It does no I/O and takes nothing; 0 is no permission.
func (l *Limiter) Resting(name string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.apps[name]
	if !ok {
		return 0
	}
	return max(0, a.paused.Sub(l.cfg.Now()))
}

// app is called with the mutex held.
func (l *Limiter) app(name string) *app {
	a, ok := l.apps[name]
	if !ok {
		a = &app{}
		l.apps[name] = a
	}
	return a
}

// ask takes from the bucket that all workers share.
func (l *Limiter) ask(ctx context.Context, name string, r Rate) (time.Duration, error) {
	pause, settling, err := l.shared.terms(ctx, name)
	switch {
	case err != nil:
		return 0, err
	case settling > 0:
		return 0, l.join(settling)
	case pause > 0:
		return l.deny(name, r, pause, func(a *app, until time.Time) { a.paused = until }), nil
	}
	if r.unlimited() {
		l.opened(name)
		return 0, nil
	}
	if err := l.pour(ctx, name, r); err != nil {
		return 0, err
	}
	wait, err := l.shared.take(ctx, name, r)
	if err != nil || wait == 0 {
		return 0, err
	}
	return l.deny(name, r, wait, func(a *app, until time.Time) { a.denied = until }), nil
}

// opened notes that an app without a rate is not paused.
func (l *Limiter) opened(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.app(name).open = l.cfg.Now().Add(l.moment())
}

func (l *Limiter) deny(name string, r Rate, wait time.Duration, remember func(*app, time.Time)) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, now := l.app(name), l.cfg.Now()
	remember(a, now.Add(wait))
	return a.queue(now, wait, r)
}

// pour empties the shared bucket once after each absence of Redis: what gathered
// there was used elsewhere.
func (l *Limiter) pour(ctx context.Context, name string, r Rate) error {
	l.pouring.Lock()
	defer l.pouring.Unlock()
	if l.poured(name, 0) == l.absence() {
		return nil
	}
	absence := l.absence()
	if err := l.shared.pour(ctx, name, r); err != nil {
		return err
	}
	l.poured(name, absence)
	return nil
}

// poured returns the absence after which the app's bucket was poured out last, and
// raises it.
func (l *Limiter) poured(name string, absence int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.app(name)
	a.poured = max(a.poured, absence)
	return a.poured
}

// own takes from this process's share.
func (l *Limiter) own(name string, r Rate) time.Duration {
	if r.unlimited() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a, now := l.app(name), l.cfg.Now()
	wait := a.share(now, r, l.workers)
	if wait == 0 {
		return 0
	}
	a.denied = now.Add(wait)
	return a.queue(now, wait, r)
}

// Pause makes everybody in the fleet leave the provider alone until then. A pause
// is never shortened.
func (l *Limiter) Pause(ctx context.Context, name string, until time.Time) {
	l.mu.Lock()
	a, now := l.app(name), l.cfg.Now()
	if until.After(a.paused) {
		a.paused = until
	}
	local := l.apart(now)
	l.mu.Unlock()
	if local || !until.After(now) {
		return
	}
	if err := l.shared.pause(ctx, name, until.Sub(now)); err != nil && over(ctx) == nil {
		l.away(err)
	}
}

// over is ctx.Err(), also in the moment between the deadline, at which the
// connection gives up, and the context's own notice of it.
func over(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}
