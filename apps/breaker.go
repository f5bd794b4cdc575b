package apps

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// tripAfter is how many attempts in a row must go unanswered, or be answered with
// an error of the server's own, until the breaker opens.
const tripAfter = 5

// breaker keeps a provider that is down from taking this worker's slots. It is
// open for one patience, then lets one attempt through.
type breaker struct {
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
	// opened is when it was last opened, in nanoseconds since the Unix epoch.
	opened *atomic.Int64
}

var (
	errTrouble = errors.New("the provider did not answer, or with an error of its own")
	errNeither = errors.New("says nothing about the provider")
)

func (k *Keeper) newBreaker(app string) breaker {
	b := breaker{opened: new(atomic.Int64)}
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: app, Timeout: k.cfg.Budget.Patience,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNeither) },
		OnStateChange: func(_ string, _, is gobreaker.State) {
			b.opened.Store(time.Now().UnixNano())
			if k.cfg.Breaker != nil && is != gobreaker.StateHalfOpen {
				k.cfg.Breaker(app, is == gobreaker.StateOpen)
			}
		},
	})
	return b
}

// wait is for how long a caller that was not let through should stay away.
func (b breaker) wait(patience, pause time.Duration) time.Duration {
	if b.circuit.State() != gobreaker.StateOpen {
		return pause // half-open: somebody is trying
	}
	return max(patience-time.Since(time.Unix(0, b.opened.Load())), pause)
}

// trial is the caution with which a process begins. As long as it has not seen the
// registration work lately, one attempt at a time is made, so that a secret that
// is wrong costs one call per worker and not one per slot.
//
// Who waited for it goes on as long after it ended as it was begun before them: at the
// pace at which they came. At once, they would all be at the provider together, be
// answered together, and make room for as many others together, for as long as there
// are any.
type trial struct {
	passed time.Time // when the registration was last seen to work
	under  bool      // an attempt is under way that will tell
	began  time.Time // when that was admitted
	took   time.Duration
}

func (t *trial) reset() { t.passed = time.Time{} }

func (t *trial) needed(now time.Time, interval time.Duration) bool {
	return t.passed.IsZero() || now.Sub(t.passed) >= interval
}
