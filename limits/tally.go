package limits

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed observe.lua
	observeLua string

	observeScript = redis.NewScript(observeLua)
)

// maxGathered bounds how many good answers of one app are kept back; past it they
// are told at once.
const maxGathered = 512

// Tally counts the answers to refreshes over five minutes, by app. It is safe for
// concurrent use, and shares with a Limiter the knowledge of whether Redis answers.
//
// Dead grants are told to Redis one by one, for each may be the one that makes a
// spike. Nothing is decided on a good answer, so these are gathered for a moment:
// one exchange tells of as many as there are.
type Tally struct {
	limiter *Limiter
	begun   chan struct{} // something is gathered

	mu       sync.Mutex
	apps     map[string]*counts
	gathered map[string][]string // links by app, oldest first
}

// NewTally counts in the Limiter's Redis, until the Limiter's Close.
func NewTally(l *Limiter) *Tally {
	t := &Tally{limiter: l, begun: make(chan struct{}, 1), apps: map[string]*counts{}, gathered: map[string][]string{}}
	l.running.Go(t.run)
	return t
}

// Count adds the answer to a refresh of link and returns how many links were last
// answered grant dead, and how many answers there were, that of a dead link counted
// once. On a dead grant these are the fleet's numbers, where Redis is there; else they
// are this worker's own.
func (t *Tally) Count(ctx context.Context, app, link string, dead bool) (deadLinks, all int) {
	deadLinks, all = t.own(app, link, dead)
	if t.limiter.isGone() || !dead && t.gather(app, link) {
		return deadLinks, all
	}
	died := ""
	if dead {
		died = link
	}
	if fleetDead, fleetAll, ok := t.tell(ctx, app, died); ok {
		return fleetDead, fleetAll
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

// gather keeps a good answer back; false: there are enough, which are to be told.
func (t *Tally) gather(app, link string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gathered[app] = append(t.gathered[app], link)
	select {
	case t.begun <- struct{}{}:
	default:
	}
	return len(t.gathered[app]) < maxGathered
}

// tell tells Redis what is gathered of an app and of the link that died after that,
// if any. What could not be told is lost to the others, as all that happens while
// Redis is away.
func (t *Tally) tell(ctx context.Context, app, died string) (deadLinks, all int, ok bool) {
	deadLinks, all, err := t.limiter.shared.observe(ctx, app, died, t.take(app))
	if err != nil && over(ctx) == nil {
		t.limiter.away(err)
	}
	return deadLinks, all, err == nil
}

func (t *Tally) take(app string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	links := t.gathered[app]
	delete(t.gathered, app)
	return links
}

// run tells what is gathered, a moment after the first of it, until the Limiter's end.
func (t *Tally) run() {
	for {
		select {
		case <-t.begun:
		case <-t.limiter.stopped:
			t.tellAll()
			return
		}
		moment := time.NewTimer(t.limiter.moment())
		select {
		case <-moment.C:
		case <-t.limiter.stopped:
		}
		moment.Stop()
		t.tellAll()
	}
}

func (t *Tally) tellAll() {
	for _, app := range t.waiting() {
		if t.limiter.isGone() {
			t.take(app)
			continue
		}
		t.tell(context.Background(), app, "")
	}
}

func (t *Tally) waiting() (apps []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for app := range t.gathered {
		apps = append(apps, app)
	}
	return apps
}

// observe counts where all workers do: the links whose answers were good, and then the
// one whose grant is dead, "" for none. The keys of an app lie in one slot of a cluster.
func (s *shared) observe(ctx context.Context, app, died string, good []string) (deadLinks, all int, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	keys := []string{s.key(keyDead, "{"+app+"}"), s.key(keyAnswers, "{"+app+"}")}
	args := make([]any, 0, 3+len(good))
	args = append(args, window.Milliseconds(), grain.Milliseconds(), died)
	for _, link := range good {
		args = append(args, link)
	}
	n, err := observeScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil || len(n) != 2 {
		return 0, 0, fmt.Errorf("count the answers of app %s: %w", app, err)
	}
	return int(n[0]), int(n[1]), nil
}
