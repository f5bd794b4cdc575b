package links

import "time"

// DueFor says why a link is due.
type DueFor string

// The reasons for a timer.
const (
	// DueRenew: the bearer is to be renewed ahead of its expiry.
	DueRenew DueFor = "renew"
	// DueKeepAlive: the refresh credential is to be renewed before it dies of disuse.
	DueKeepAlive DueFor = "keep_alive"
	// DueRetry: a presentation was not made or put off; try again.
	DueRetry DueFor = "retry"
	// DueRepeat: presentations under a rule that allows repeats were ambiguous; repeat.
	DueRepeat DueFor = "repeat"
	// DueVerdict: no answer can come any more, or the old bearer has ended.
	DueVerdict DueFor = "verdict"
	// DueVerify: the keys to verify a saved answer may be reachable again.
	DueVerify DueFor = "verify"
)

// schedule sets when the link is due next; a zero time means never. The number
// rises with every change, so that timers can be put in order (model: dv).
func (l Link) schedule(at time.Time, why DueFor) Link {
	if at.IsZero() {
		why = ""
	}
	l.Due, l.DueFor = at, why
	l.DueNumber++
	return l
}

// rearm tells everybody that what Alarm looks at has changed.
func (l Link) rearm() Link {
	l.DueNumber++
	return l
}

// Alarm is when the link's one timer is to fire: the earliest of all that it
// waits for. Zero: it waits for nothing.
func (l Link) Alarm() time.Time {
	if l.Exchange != nil && !l.Exchange.Again.IsZero() {
		return l.Exchange.Again // nothing else is begun before
	}
	at := l.Due
	if l.Hold != nil {
		at = earliest(at, l.Hold.Until)
	}
	if l.Prompt != nil {
		at = earliest(at, l.Prompt.At)
	}
	return at
}

// earliest of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// IsDue says whether the time has come for what Due is about.
func (l Link) IsDue(now time.Time) bool { return !l.Due.IsZero() && !now.Before(l.Due) }
