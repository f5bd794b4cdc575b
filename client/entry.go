package client

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regrant/regrant/events"
)

const (
	// recheck is how long something doubtful stands before it is asked for again: a
	// refusal, a bearer whose successor could not be had, one that is expired by our
	// clock and not by the worker's.
	recheck = time.Second
	// reportAgain is when a report is repeated whose generation is still the current
	// one. The server drops repetitions for as long.
	reportAgain = 30 * time.Second
	// never is later than any time.
	never = math.MaxInt64
)

// entry is what this process knows of one link in use.
type entry struct {
	address events.Address
	// kept is the bearer that is served; nil: none. Written under mu.
	kept atomic.Pointer[kept]
	// gone: given up for another link's sake. It keeps nothing any more.
	gone atomic.Bool

	mu sync.Mutex
	// floor is the least generation that may live.
	floor uint64
	// announced is the latest generation that is known to be there.
	announced uint64
	flight    *flight
	// failed is why there is no token; it stands until then.
	failed      error
	failedUntil time.Time
	reported    map[events.Reason]reported
}

// reported is a report that was made.
type reported struct {
	generation uint64
	at         time.Time
}

// kept is a bearer in memory. It is never changed, only replaced.
type kept struct {
	token *Token
	// look is when there is next something to think about, in Unix nanoseconds.
	look int64
	// expiring is when the bearer is to be reported; zero: it was, or is not to be.
	expiring time.Time
	// stale: a newer generation may be there.
	stale bool
}

// step is what to do about a link that is asked for.
type step struct {
	serve *Token // nil: wait for an answer
	ask   bool   // ask for a newer one; whoever is served need not wait
	// report, if any, is about this generation.
	report     events.Reason
	generation uint64
}

// keep makes what is kept of a token that came at now.
func keep(t *Token, margin time.Duration, stale bool, now time.Time) *kept {
	k := &kept{token: t, stale: stale}
	if life := t.ExpiresAt.Sub(now); !t.ExpiresAt.IsZero() && life > 0 && margin > 0 {
		k.expiring = t.ExpiresAt.Add(-min(margin, life/4))
	}
	k.look = k.next(now)
	return k
}

// next is when to think about the bearer after now.
func (k *kept) next(now time.Time) int64 {
	ends := k.token.ExpiresAt
	switch {
	case k.stale, !ends.IsZero() && !now.Before(ends):
		return now.Add(recheck).UnixNano()
	case !k.expiring.IsZero():
		return k.expiring.UnixNano()
	case !ends.IsZero():
		return ends.UnixNano()
	}
	return never
}

// judge decides what to do for somebody who found nothing to serve without a thought.
func (e *entry) judge(now time.Time) step {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := e.kept.Load()
	if k == nil || now.UnixNano() < k.look {
		return step{serve: k.tokenOrNil()}
	}
	do, after := k.judge(now)
	if after != nil {
		after.look = after.next(now)
		e.kept.Store(after)
	}
	return do
}

func (k *kept) tokenOrNil() *Token {
	if k == nil {
		return nil
	}
	return k.token
}

// judge looks at a bearer whose time to be looked at has come: what to do, and what
// is kept of it meanwhile, nil for no change. Pure.
func (k *kept) judge(now time.Time) (step, *kept) {
	ends, generation := k.token.ExpiresAt, k.token.Generation
	after := *k
	switch {
	case !ends.IsZero() && !now.Before(ends):
		return step{report: events.ReasonExpired, generation: generation}, nil
	case !k.expiring.IsZero() && !now.Before(k.expiring):
		after.expiring = time.Time{}
		return step{serve: k.token, ask: k.stale, report: events.ReasonExpiring, generation: generation}, &after
	}
	return step{serve: k.token, ask: k.stale}, &after
}

// refuse notes that a generation is dead. It returns a newer bearer if there is one.
func (e *entry) refuse(generation uint64) *Token {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.raise(generation + 1)
	return e.kept.Load().tokenOrNil()
}

// raise takes everything below a generation out of service. Under mu.
func (e *entry) raise(floor uint64) {
	e.floor = max(e.floor, floor)
	if k := e.kept.Load(); k != nil && k.token.Generation < e.floor {
		e.kept.Store(nil)
	}
}

// rotated notes an announced generation. stillValid: the one before it may serve on.
func (e *entry) rotated(generation uint64, stillValid bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.announced, e.failed = max(e.announced, generation), nil
	if !stillValid {
		e.raise(generation)
	}
	if k := e.kept.Load(); k != nil && k.token.Generation < generation {
		e.doubt(k)
	}
}

// changed notes that the link is in another state, in which its bearer may be gone.
func (e *entry) changed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = nil
	if k := e.kept.Load(); k != nil {
		e.doubt(k)
	}
}

// ended notes that the bearer in memory must not be served any more, nor one that is
// on its way here.
func (e *entry) ended() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed, e.flight = nil, nil
	e.kept.Store(nil)
}

// doubt has the bearer looked at when it is next asked for. Under mu.
func (e *entry) doubt(k *kept) {
	after := *k
	after.stale, after.look = true, 0
	e.kept.Store(&after)
}

// drop gives the entry up.
func (e *entry) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone.Store(true)
	e.kept.Store(nil)
}

// mayReport says whether to make a report, and notes that it is made.
func (e *entry) mayReport(r events.Reason, generation uint64, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.reported[r]
	if generation < last.generation || generation == last.generation && now.Sub(last.at) < reportAgain {
		return false
	}
	if e.reported == nil {
		e.reported = map[events.Reason]reported{}
	}
	e.reported[r] = reported{generation, now}
	return true
}

// unreported takes back what mayReport noted: the report was not stored.
func (e *entry) unreported(r events.Reason, generation uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reported[r].generation == generation {
		delete(e.reported, r)
	}
}
