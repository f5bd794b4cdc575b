package bus

import (
	"context"
	"sync"
)

// waitersPerSlot bounds how many handlers may wait without a slot, for each slot
// there is. Each holds its message in memory; past the bound they wait with
// their slot, which stops pulling: that is the pressure that is wanted then.
const waitersPerSlot = 16

// slots counts handlers. Every slot is free, promised to messages that were
// asked for, or busy. Handlers that come back from waiting may take a promised
// slot ahead of the message it was promised to: a long poll keeps its promises
// for seconds, and those that wait have been here longer. busy never exceeds size.
type slots struct {
	mu      sync.Mutex
	changed sync.Cond
	size    int
	busy    int
	promise int
	waiting int
	stopped bool
	paused  bool
	pausing chan struct{} // closed while paused
}

func newSlots(size int) *slots {
	s := &slots{size: size, pausing: make(chan struct{})}
	s.changed.L = &s.mu
	return s
}

// reserve waits for a free slot, and for the end of a pause, and promises up to
// most; 0 means stopped.
func (s *slots) reserve(most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped && (s.paused || s.busy+s.promise >= s.size) {
		s.changed.Wait()
	}
	if s.stopped {
		return 0
	}
	n := min(most, s.size-s.busy-s.promise)
	s.promise += n
	return n
}

// cancel takes promises back that no message came for.
func (s *slots) cancel(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promise -= n
	s.changed.Broadcast()
}

// reserveOne waits for a free slot, paused or not, and promises it; false means
// stopped, or that ctx ended.
func (s *slots) reserveOne(ctx context.Context) bool {
	defer context.AfterFunc(ctx, s.wake)()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped && ctx.Err() == nil && s.busy+s.promise >= s.size {
		s.changed.Wait()
	}
	if s.stopped || ctx.Err() != nil {
		return false
	}
	s.promise++
	return true
}

func (s *slots) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// start makes a promise good. false means stopped, or paused and not asked for in
// spite of that, before it was possible; the promise is gone either way.
func (s *slots) start(inSpite bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	refused := func() bool { return s.stopped || s.paused && !inSpite }
	for !refused() && s.busy >= s.size {
		s.changed.Wait()
	}
	s.promise--
	if refused() {
		return false
	}
	s.busy++
	return true
}

// end frees the slot of a handler.
func (s *slots) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.changed.Broadcast()
}

// stop makes reserve and start answer no. Who works, works on.
func (s *slots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.changed.Broadcast()
}

// pause makes start answer no and reserve wait, until resume. Who works, works on.
func (s *slots) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused {
		s.paused = true
		close(s.pausing)
		s.changed.Broadcast()
	}
}

func (s *slots) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		s.paused, s.pausing = false, make(chan struct{})
		s.changed.Broadcast()
	}
}

func (s *slots) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// pauses is closed while paused, and when that next begins.
func (s *slots) pauses() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pausing
}

// leave frees a handler's slot while it waits; false: too many wait already.
func (s *slots) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= waitersPerSlot*s.size {
		return false
	}
	s.waiting++
	s.busy--
	s.changed.Broadcast()
	return true
}

// come waits for a slot again, also after stop: the handler has work to finish.
func (s *slots) come() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy >= s.size {
		s.changed.Wait()
	}
	s.waiting--
	s.busy++
}

// seat is one handler's slot, as inbox.Slot. Only the handler's goroutine uses it.
type seat struct {
	slots *slots
	left  bool
}

func (s *seat) Release() bool {
	if s.left || !s.slots.leave() {
		return false
	}
	s.left = true
	return true
}

func (s *seat) Retake() {
	s.slots.come()
	s.left = false
}
