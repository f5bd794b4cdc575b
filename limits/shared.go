package limits

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
)

var (
	//go:embed announce.lua
	announceLua string
	//go:embed pause.lua
	pauseLua string

	announceScript = redis.NewScript(announceLua)
	pauseScript    = redis.NewScript(pauseLua)
)

// leastTimeout is what tests at a fraction of the budget get: less would measure
// the scheduler of a busy machine, not Redis.
const leastTimeout = 100 * time.Millisecond

// callTimeout bounds one exchange with Redis.
func callTimeout(b budget.Budget) time.Duration { return max(b.LockRenew/2, leastTimeout) }

// shared is what all workers share: keys in Redis. Each call is made once, within
// its time-out; an error is one of reaching Redis or of being refused by it.
type shared struct {
	client redis.UniversalClient
	bucket *redis_rate.Limiter
	prefix string
	worker string
	budget budget.Budget
}

func newShared(client redis.UniversalClient, cfg Config) *shared {
	return &shared{
		client: client, bucket: redis_rate.NewLimiter(renamed{client}),
		prefix: cfg.Prefix, worker: cfg.Worker, budget: cfg.Budget,
	}
}

// renamed takes off the front of keys what redis_rate puts there, so that all keys
// of an installation begin with its prefix.
type renamed struct{ redis.UniversalClient }

func rename(keys []string) []string { return []string{strings.TrimPrefix(keys[0], "rate:")} }

func (r renamed) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.Eval(ctx, script, rename(keys), args...)
}

func (r renamed) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.EvalSha(ctx, sha, rename(keys), args...)
}

// The kinds of keys: those of an app, and those of all workers.
const (
	keyRate     = "rate"
	keyPause    = "pause"
	keyDead     = "dead"
	keyAnswers  = "answers"
	keyWorkers  = "workers"
	keySettling = "settling"
)

func (s *shared) key(kind, app string) string { return s.prefix + ":" + kind + ":" + app }

// KeyPatterns matches the keys of an installation, as Redis' ACLs write it.
func KeyPatterns(prefix string) []string {
	of := &shared{prefix: cmp.Or(prefix, "regrant")}
	return []string{
		of.key(keyRate, "*"), of.key(keyPause, "*"), of.key(keyDead, "*"), of.key(keyAnswers, "*"), of.workers(), of.settling(),
	}
}

func (s *shared) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout(s.budget))
}

func limit(r Rate) redis_rate.Limit {
	return redis_rate.Limit{Rate: r.Count, Period: r.Per, Burst: r.burst()}
}

// take takes a token; else it is how long until there is one.
func (s *shared) take(ctx context.Context, app string, r Rate) (wait time.Duration, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	result, err := s.bucket.Allow(ctx, s.key(keyRate, app), limit(r))
	if err != nil {
		return 0, fmt.Errorf("take a token of app %s: %w", app, err)
	}
	if result.Allowed > 0 {
		return 0, nil
	}
	return max(result.RetryAfter, time.Millisecond), nil
}

// pour takes all tokens that there are.
func (s *shared) pour(ctx context.Context, app string, r Rate) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if _, err := s.bucket.AllowAtMost(ctx, s.key(keyRate, app), limit(r), r.burst()); err != nil {
		return fmt.Errorf("pour out the tokens of app %s: %w", app, err)
	}
	return nil
}

// terms is how much longer the app is paused, and how much longer workers that
// were without Redis go by their own shares.
func (s *shared) terms(ctx context.Context, app string) (pause, settling time.Duration, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	pipe := s.client.Pipeline()
	paused, settled := pipe.PTTL(ctx, s.key(keyPause, app)), pipe.PTTL(ctx, s.settling())
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the pause of app %s: %w", app, err)
	}
	return max(paused.Val(), 0), max(settled.Val(), 0), nil // negative: there is none
}

func (s *shared) settling() string { return s.prefix + ":" + keySettling }

func (s *shared) workers() string { return s.prefix + ":" + keyWorkers }

// pause lasts at least that long.
func (s *shared) pause(ctx context.Context, app string, d time.Duration) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := pauseScript.Run(ctx, s.client, []string{s.key(keyPause, app)}, millis(d)).Err(); err != nil {
		return fmt.Errorf("pause app %s: %w", app, err)
	}
	return nil
}

// settle sets a term, unless one is set, and is what remains of it.
func (s *shared) settle(ctx context.Context, d time.Duration) (time.Duration, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	key := s.settling()
	if err := s.client.SetNX(ctx, key, s.worker, d).Err(); err != nil {
		return 0, fmt.Errorf("agree on the return to Redis: %w", err)
	}
	left, err := s.client.PTTL(ctx, key).Result()
	if err != nil {
		return 0, fmt.Errorf("agree on the return to Redis: %w", err)
	}
	return max(left, 0), nil
}

// announce says that the worker lives, and counts those that do.
func (s *shared) announce(ctx context.Context) (int, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	n, err := announceScript.Run(ctx, s.client, []string{s.workers()}, s.worker, millis(memberTTL(s.budget))).Int()
	if err != nil {
		return 0, fmt.Errorf("announce the worker: %w", err)
	}
	return n, nil
}

func (s *shared) leave(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.client.ZRem(ctx, s.prefix+":workers", s.worker).Err()
}

func millis(d time.Duration) int64 { return max(d.Milliseconds(), 1) }
