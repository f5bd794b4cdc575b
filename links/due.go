package links

import "time"

// DueFor says why a link is due.
type DueFor string

// The reasons for a timer.
const (
	// DueRenew: the bearer is to be renewed ahead of its expiry.
	DueRenew DueFor = "renew"
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

// IsDue says whether the link's time has come.
func (l Link) IsDue(now time.Time) bool { return !l.Due.IsZero() && !now.Before(l.Due) }
