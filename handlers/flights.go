package handlers

import (
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// flight is the handling of one link by this process: there is never more than
// one at a time. Its message is unacked and carries the duty of all that collapse
// into it.
type flight struct {
	generation  uint64
	fingerprint string
	reason      events.Reason
	sure        bool // that there was such a generation when its message was stored
	done        chan struct{}
	waiter      bool
}

// carries says whether the flight's own message has the same duty as a report. One
// without a reason carries nobody else's: a replay's, or that of another input. Nor does
// one that may have named what was not there yet: to whoever got it meanwhile it was
// a dead letter, and then no message has the duty.
func (f *flight) carries(generation uint64, fingerprint string, reason events.Reason) bool {
	if !f.sure || f.reason == "" || f.reason != reason {
		return false
	}
	if generation != 0 {
		return f.generation == generation
	}
	return fingerprint != "" && f.fingerprint == fingerprint
}

type flights struct {
	mu sync.Mutex
	of map[events.Address]*flight
}

func newFlights() *flights { return &flights{of: map[events.Address]*flight{}} }

// take starts a flight for a link or returns the one under way.
func (f *flights) take(a events.Address, mine *flight) (other *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.of[a]; ok {
		return other
	}
	f.of[a] = mine
	return nil
}

func (f *flights) end(a events.Address, mine *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, a)
	close(mine.done)
}

// collapses says whether a report may be acked because a flight of this process
// carries its duty (model: COLLAPSE). First deliveries only: a redelivery may be
// the flight's own message.
func (f *flights) collapses(a events.Address, generation uint64, fingerprint string, reason events.Reason, delivered uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	under, ok := f.of[a]
	return ok && delivered == 1 && under.carries(generation, fingerprint, reason)
}

// busy says whether the link has a flight.
func (f *flights) busy(a events.Address) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.of[a]
	return ok
}

// wait admits one waiter for the end of a flight.
func (f *flights) wait(under *flight) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if under.waiter {
		return false
	}
	under.waiter = true
	return true
}

// read tells a flight what its link's record says, so that reports which name the bearer
// the other way collapse as well, and that its own message, of that time, was no mistake.
// Both times are the server's.
func (f *flights) read(mine *flight, l links.Link, storedAt time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if mine.generation == 0 && mine.fingerprint == l.Fingerprint {
		mine.generation = l.Generation
	}
	if mine.fingerprint == "" && mine.generation == l.Generation {
		mine.fingerprint = l.Fingerprint
	}
	there := l.Generation > mine.generation || l.Generation == mine.generation && l.CommittedAt.Before(storedAt)
	mine.sure = mine.sure || there
}
