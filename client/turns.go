package client

import (
	"sync"

	"github.com/regrant/regrant/events"
)

// turns lets the messages of one link be handled one after the other, in the order in
// which they came, and those of different links side by side, so many at once.
type turns struct {
	slots chan struct{}
	// stopping, once closed, lets everybody run at once: they put back what they have.
	stopping chan struct{}
	running  sync.WaitGroup

	mu sync.Mutex
	// waiting has the jobs behind the one that runs, for each link that has one.
	waiting map[events.Address][]func()
}

func newTurns(slots int) *turns {
	return &turns{slots: make(chan struct{}, slots), stopping: make(chan struct{}), waiting: map[events.Address][]func(){}}
}

// add has a job done when its link's turn comes. It does not wait.
func (t *turns) add(a events.Address, job func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if behind, busy := t.waiting[a]; busy {
		t.waiting[a] = append(behind, job)
		return
	}
	t.waiting[a] = nil
	t.running.Go(func() {
		for job != nil {
			t.do(job)
			job = t.next(a)
		}
	})
}

func (t *turns) do(job func()) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-t.stopping:
	}
	job()
}

// next is the link's next job; nil: none, and the link's turn is over.
func (t *turns) next(a events.Address) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	behind := t.waiting[a]
	if len(behind) == 0 {
		delete(t.waiting, a)
		return nil
	}
	t.waiting[a] = behind[1:]
	return behind[0]
}

// stop has everybody run who waits. Nothing is added any more; wait for running then.
func (t *turns) stop() { close(t.stopping) }

func (t *turns) stopped() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}
