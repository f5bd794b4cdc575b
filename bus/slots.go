package bus

import "sync"

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
}

func newSlots(size int) *slots {
	s := &slots{size: size}
	s.changed.L = &s.mu
	return s
}

// reserve waits for a free slot and promises up to most; 0 means stopped.
func (s *slots) reserve(most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped && s.busy+s.promise >= s.size {
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

// start makes a promise good. false means stopped before that was possible; the
// promise is gone either way.
func (s *slots) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	for !s.stopped && s.busy >= s.size {
		s.changed.Wait()
	}
	s.promise--
	if s.stopped {
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
