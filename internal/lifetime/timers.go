package lifetime

import (
	"context"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
)

// timers are the schedules of links, one each.
type timers struct {
	subjects events.Subjects
	queue    *queue

	mu    sync.Mutex
	armed map[events.Address]timer
}

type timer struct {
	number uint64
	clock  *time.Timer
}

func newTimers(s events.Subjects, q *queue) *timers {
	return &timers{subjects: s, queue: q, armed: map[events.Address]timer{}}
}

// Arm is bus.Arm: a lower number is replaced, a higher one never; a time past fires
// at once.
func (t *timers) Arm(_ context.Context, a events.Address, number uint64, at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.armed[a]
	if ok && old.number >= number {
		return nil
	}
	if ok {
		old.clock.Stop()
	}
	t.armed[a] = timer{number, time.AfterFunc(time.Until(at), func() { t.fire(a, number) })}
	return nil
}

func (t *timers) fire(a events.Address, number uint64) {
	t.mu.Lock()
	if t.armed[a].number != number {
		t.mu.Unlock()
		return // replaced while it fired
	}
	delete(t.armed, a)
	t.mu.Unlock()
	t.queue.add(timerStream, t.subjects.Due(a), nil, nil)
}

// lose forgets all timers, as a stream that was restored from a backup may.
func (t *timers) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, old := range t.armed {
		old.clock.Stop()
		delete(t.armed, a)
	}
}
