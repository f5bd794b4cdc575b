package handlers_test

import (
	"time"
)

// comeToRest lets all that has a message go to its end, and the reconciler and the
// adopters find what has none.
func (s *simulation) comeToRest() {
	s.drain()
	if !s.unfinished {
		s.judgeAnnounced(s.link())
	}
	for range 3 {
		for _, p := range s.processes {
			p.adopt().end()
		}
		s.processes[0].scan().end()
		s.sleep(s.budget.Patience + time.Second)
		s.drain()
	}
}

// drain lets everything come to rest, without further faults.
func (s *simulation) drain() {
	s.faults, s.behind, s.provider.down = 0, false, false
	s.tell("no more faults")
	for turn := 0; ; turn++ {
		if turn > 20_000 {
			s.t.Fatalf("does not come to rest: %s at generation %d", s.link().Status, s.link().Generation)
		}
		s.broker.fire()
		if parked := s.parked(); len(parked) > 0 {
			s.goes(parked[turn%len(parked)])
			continue
		}
		if s.adoptable() || s.deliverable(turn) {
			continue
		}
		if !s.wait() {
			return
		}
	}
}

func (s *simulation) adoptable() bool {
	if len(s.disk.orphans()) == 0 {
		return false
	}
	s.processes[0].adopt()
	return true
}

func (s *simulation) deliverable(turn int) bool {
	for _, m := range s.broker.messages {
		if m.free(time.Now()) {
			s.gets(s.processes[turn%len(s.processes)], m)
			return true
		}
	}
	return false
}

// wait lets time pass until something is due, and says whether anything will be.
func (s *simulation) wait() bool {
	var next time.Time
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, m := range s.broker.messages {
		if !m.acked && len(m.held) == 0 {
			soonest(m.notBefore)
		}
	}
	for _, timer := range s.broker.timers {
		soonest(timer.at)
	}
	for _, t := range s.tasks {
		if !t.done && !t.p.dead {
			soonest(time.Now().Add(s.budget.LockRenew))
		}
	}
	if next.IsZero() || s.horizon > 0 && time.Until(next) > s.horizon {
		return false
	}
	s.sleep(max(time.Until(next), time.Millisecond))
	return true
}
