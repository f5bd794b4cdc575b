package apps

import (
	"time"

	"github.com/regrant/regrant/events"
)

// HoldFor is how long verdicts are held after the last sign of a spike. It is
// also the window in which dead grants are counted.
const HoldFor = 5 * time.Minute

// Suspend is the server's word, heard by link's attempt, that it refuses the
// registration. It is false for an app that is suspended already: a suspension
// is one alarm, however many attempts hear of it. The first probe comes after a
// whole interval (budget.Probe).
func (a App) Suspend(reason string, link events.Address, now time.Time, interval time.Duration) (App, bool) {
	if a.Suspended() {
		return a, false
	}
	a.Status, a.Reason, a.Link, a.Since = Suspended, reason, link, now
	a.Episode++
	a.Announced, a.ResumedAt = false, time.Time{}
	a.Probes, a.ProbeHolder, a.NextProbe = 0, "", now.Add(interval)
	return a, true
}

// Probe gives the next probe to holder, and the one after it to nobody for an
// interval. Whether it is time is for Due to say.
func (a App) Probe(holder string, now time.Time, interval time.Duration) (App, bool) {
	if !a.Suspended() {
		return a, false
	}
	a.Probes++
	a.ProbeHolder, a.NextProbe = holder, now.Add(interval)
	return a, true
}

// Resume ends the suspension of that episode, and no other: link's attempt has
// shown that the registration works.
func (a App) Resume(episode uint64, link events.Address, now time.Time) (App, bool) {
	if !a.Suspended() || a.Episode != episode {
		return a, false
	}
	a.Status, a.Link, a.ResumedAt, a.Announced = OK, link, now, false
	a.Probes, a.ProbeHolder, a.NextProbe = 0, "", time.Time{}
	return a, true
}

// Announce notes that the event about the status, in that episode, is durable.
func (a App) Announce(episode uint64, status Status) (App, bool) {
	if a.Announced || a.Episode != episode || a.Status != status {
		return a, false
	}
	a.Announced = true
	return a, true
}

// Hold holds verdicts, because grants die in a spike. first is true where none
// were held, which is the one alarm; a hold of which more than half is left is
// not written again.
func (a App) Hold(s Sight, now time.Time) (next App, first, changed bool) {
	left := a.HoldsFor(s, now)
	if left > HoldFor/2 {
		return a, false, false
	}
	if left == 0 {
		a.Holds++
	}
	a.HeldUntil = now.Add(HoldFor)
	return a, left == 0, true
}

// Sight is when, by its own clock, a process first saw a thing as it is now.
type Sight struct {
	At time.Time
	// Live says that the process saw it change, so that At is when it happened. Else
	// it found it so, and knows no more than what the record says.
	Live bool
}

// Due is how long it is until the next probe may be taken; 0: now. s is the
// sight of the last probe, or of the suspension.
func (a App) Due(s Sight, now time.Time, interval time.Duration) time.Duration {
	return a.left(a.NextProbe, interval, s, now)
}

// HoldsFor is how long verdicts are still held; 0: they are not. s is the sight
// of the hold.
func (a App) HoldsFor(s Sight, now time.Time) time.Duration {
	if a.HeldUntil.IsZero() {
		return 0
	}
	return a.left(a.HeldUntil, HoldFor, s, now)
}

// left is what remains of a term that lasts until the time in the record. Whoever
// saw it begin goes by its own clock; whoever did not believes the record, but no
// more than a whole term from when it first looked.
func (a App) left(until time.Time, term time.Duration, s Sight, now time.Time) time.Duration {
	left := s.At.Add(term).Sub(now)
	if !s.Live {
		left = min(left, until.Sub(now))
	}
	return max(left, 0)
}
