package limits

import (
	"time"

	"golang.org/x/time/rate"
)

// Rate is what an app may ask of its provider. The zero value is no limit.
type Rate struct {
	// Count attempts are made in each Per, evenly. Zero for either: no limit.
	Count int
	Per   time.Duration
	// Burst is how many may be made at once after a rest. Zero means 1.
	Burst int
}

func (r Rate) unlimited() bool { return r.Count <= 0 || r.Per <= 0 }

func (r Rate) burst() int { return max(r.Burst, 1) }

// interval is the time in which one attempt is earned. Without a rate it is how
// those that wait for the end of a pause are spread.
func (r Rate) interval() time.Duration {
	if r.unlimited() {
		return 10 * time.Millisecond
	}
	return r.Per / time.Duration(r.Count)
}

// maxSpread bounds how far apart those that wait are kept.
const maxSpread = 30 * time.Second

// app is what this process remembers of one app, guarded by the Limiter's mutex.
type app struct {
	// paused is until when the provider wants to be left alone.
	paused time.Time
	// denied is until when there is no token, as Redis said.
	denied time.Time
	// open is until when an app without a rate is believed not to be paused.
	open time.Time
	// free is after the last of those that were told to come back.
	free time.Time
	// own is the bucket for when Redis is away; nil while it is not.
	own *rate.Limiter
	// poured is the number of Redis's last absence after which the shared bucket was
	// poured out.
	poured int
}

// queue tells one more caller when to come back: when there may be a token, and
// after those who were told before.
func (a *app) queue(now time.Time, base time.Duration, r Rate) time.Duration {
	at := now.Add(base)
	if a.free.After(at) {
		at = a.free
	}
	a.free = at.Add(r.interval())
	return min(at.Sub(now), base+maxSpread)
}

// share takes from the process's own bucket, which begins empty; else it is how
// long until there is a token.
func (a *app) share(now time.Time, r Rate, workers int) (wait time.Duration) {
	limit := rate.Limit(float64(r.Count) / r.Per.Seconds() / float64(workers))
	burst := max(r.burst()/workers, 1)
	switch {
	case a.own == nil:
		a.own = rate.NewLimiter(limit, burst)
		a.own.AllowN(now, burst)
	case a.own.Limit() != limit || a.own.Burst() != burst:
		a.own.SetLimitAt(now, limit)
		a.own.SetBurstAt(now, burst)
	}
	token := a.own.ReserveN(now, 1)
	if wait = token.DelayFrom(now); wait > 0 {
		token.CancelAt(now)
	}
	return wait
}
