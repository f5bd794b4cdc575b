package links

import (
	"slices"
	"time"
)

// Begin writes an intent: the attempt is listed before its credential is
// presented (model: D_INTENT). refused notes that a 401 was seen.
func (l Link) Begin(a Attempt, refused bool, r Rules) Link {
	if l.Doomed != "" {
		l = l.doubted(r)
	}
	l.Attempts = bounded(append(slices.Clone(l.Attempts), a))
	l.Refused = l.Refused || refused
	l.Status = Refreshing
	l.DueFor = dropRepeat(l.DueFor)
	return l
}

// bounded forgets the oldest attempt when there are too many: one by a refresh token
// last, for that it was presented must not be forgotten.
func bounded(all []Attempt) []Attempt {
	if len(all) <= maxAttempts {
		return all
	}
	oldest := slices.IndexFunc(all[:len(all)-1], func(a Attempt) bool { return a.By() != GrantRefreshToken })
	oldest = max(oldest, 0)
	return slices.Delete(all, oldest, oldest+1)
}

// dropRepeat forgets that a repeat was scheduled: it is made now, and the next
// one is judged anew.
func dropRepeat(f DueFor) DueFor {
	if f == DueRepeat {
		return ""
	}
	return f
}

// Postpone schedules the next repeat of a presentation that stays ambiguous, so
// that no message waits for a provider that is down for hours.
func (l Link) Postpone(now time.Time, r Rules, jitter float64) Link {
	l.Failures++
	return l.schedule(now.Add(r.backoff(l.Failures, jitter)), DueRepeat)
}

// Clear takes out one attempt that certainly was not carried out, and only that
// one: with others listed, one of those may have been, and the link stays under
// the replay rule, which is asked again after a pause (model: notsent;
// W_CLEARSTATE). notBefore is the provider's Retry-After; zero leaves the time to
// the back-off. It reports whether there was anything to clear.
func (l Link) Clear(attempt string, now, notBefore time.Time, r Rules, jitter float64) (Link, bool) {
	if !l.Status.open() || (!l.Lists(attempt) && len(l.Attempts) > 0) {
		return l, false
	}
	l.Attempts = slices.DeleteFunc(slices.Clone(l.Attempts), func(a Attempt) bool { return a.ID == attempt })
	l.Failures++
	at := now.Add(r.backoff(l.Failures, jitter))
	if notBefore.After(at) {
		at = notBefore.Add(at.Sub(now) / 10) // jitter beside Retry-After: everybody was told the same second
	}
	switch {
	case len(l.Attempts) == 0 && l.Doomed == "":
		l.Attempts, l.FirstIntentAt, l.AnswersUntil = nil, time.Time{}, time.Time{}
		l.Status = Active
		return l.schedule(at, DueRetry), true
	case l.Status == Refreshing:
		return l.schedule(at, DueRepeat), true // a repeat waits like a retry: the provider may have asked for it
	default:
		return l, true // Uncertain waits for its verdict
	}
}
