package limits

import (
	"context"
	_ "embed"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed observe.lua
	observeLua string

	observeScript = redis.NewScript(observeLua)
)

// Tally counts the answers to refreshes over five minutes, by app. It is safe for
// concurrent use, and shares with a Limiter the knowledge of whether Redis answers.
type Tally struct {
	limiter *Limiter

	mu   sync.Mutex
	apps map[string]*counts
}

// NewTally counts in the Limiter's Redis.
func NewTally(l *Limiter) *Tally { return &Tally{limiter: l, apps: map[string]*counts{}} }

// Count adds the answer to a refresh of link and returns how many links were last
// answered grant dead, and how many answers there were, that of a dead link counted
// once. These are the fleet's numbers, or while Redis is away this worker's own.
func (t *Tally) Count(ctx context.Context, app, link string, dead bool) (deadLinks, all int) {
	deadLinks, all = t.own(app, link, dead)
	if t.limiter.isGone() {
		return deadLinks, all
	}
	fleetDead, fleetAll, err := t.limiter.shared.observe(ctx, app, link, dead)
	switch {
	case err == nil:
		return fleetDead, fleetAll
	case over(ctx) == nil:
		t.limiter.away(err)
	}
	return deadLinks, all
}

// own is counted always, so that an absence of Redis finds the window filled.
func (t *Tally) own(app, link string, dead bool) (deadLinks, all int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.apps[app]
	if !ok {
		c = newCounts()
		t.apps[app] = c
	}
	return c.observe(t.limiter.cfg.Now(), link, dead)
}

// observe counts where all workers do. The keys of an app lie in one slot of a cluster.
func (s *shared) observe(ctx context.Context, app, link string, dead bool) (deadLinks, all int, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	keys := []string{s.key(keyDead, "{"+app+"}"), s.key(keyAnswers, "{"+app+"}")}
	flag := 0
	if dead {
		flag = 1
	}
	n, err := observeScript.Run(ctx, s.client, keys, link, flag, window.Milliseconds(), grain.Milliseconds()).Int64Slice()
	if err != nil || len(n) != 2 {
		return 0, 0, fmt.Errorf("count the answers of app %s: %w", app, err)
	}
	return int(n[0]), int(n[1]), nil
}
