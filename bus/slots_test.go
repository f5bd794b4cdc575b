package bus

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func TestSlotsUnderARandomCrowd(t *testing.T) {
	t.Parallel()
	const size, rounds = 5, 2000
	s := newSlots(size)
	check := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy > size || s.busy < 0 || s.promise < 0 || s.waiting < 0 {
			t.Errorf("busy %d, promised %d, waiting %d of %d", s.busy, s.promise, s.waiting, size)
		}
	}
	var crowd sync.WaitGroup
	for range lanes {
		crowd.Go(func() {
			for range rounds {
				n := s.reserve(1 + rand.IntN(size))
				came := rand.IntN(n + 1)
				for range came {
					crowd.Go(func() { visit(s, check) })
				}
				s.cancel(n - came)
			}
		})
	}
	crowd.Wait()
	if s.busy != 0 || s.promise != 0 || s.waiting != 0 {
		t.Fatalf("left over: busy %d, promised %d, waiting %d", s.busy, s.promise, s.waiting)
	}
}

func visit(s *slots, check func()) {
	if !s.start(false) {
		return
	}
	defer s.end()
	check()
	own := &seat{slots: s}
	if rand.IntN(2) == 0 && own.Release() {
		check()
		own.Retake()
	}
	check()
}

func TestAReturningHandlerComesBeforeAPromise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		s.reserve(1)
		s.start(false)
		own := &seat{slots: s}
		if !own.Release() || own.Release() {
			t.Fatal("a slot is released once")
		}
		if s.reserve(1) != 1 { // a long poll takes the free slot for a message to come
			t.Fatal("a released slot is not free")
		}
		own.Retake() // must not wait for the poll's end
		var started bool
		go func() { started = s.start(false) }()
		synctest.Wait()
		if started {
			t.Fatal("two in one slot")
		}
		s.end()
		synctest.Wait()
		if !started {
			t.Fatal("the promised message did not start")
		}
	})
}

func TestTooManyWaitersKeepTheirSlot(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	for range waitersPerSlot {
		s.reserve(1)
		s.start(false)
		if !s.leave() {
			t.Fatal("refused too early")
		}
	}
	s.reserve(1)
	s.start(false)
	if s.leave() {
		t.Fatal("waiters without bound")
	}
}

func TestStoppedSlotsStartNothing(t *testing.T) {
	t.Parallel()
	s := newSlots(2)
	s.reserve(2)
	s.stop()
	if s.start(false) || s.reserve(1) != 0 {
		t.Fatal("started after the stop")
	}
	s.cancel(1)
	if s.promise != 0 {
		t.Fatalf("%d promises left", s.promise)
	}
}
