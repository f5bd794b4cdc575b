package handlers_test

import "strings"

// slowness is a server that answers one call late, over and over: whoever makes it stands
// still until so much else has gone on, and the world has moved when the answer comes.
type slowness struct {
	call  string // none: empty
	turns int
	now   int // how often anybody went on
	// fault is a word that all that goes wrong has in its name; none: any may.
	fault string
}

// sluggish are half of the seeds of refreshes that have a theme.
func sluggish(seed uint64) bool { return seed%2 == 0 && themed(seed) && seed/16%2 == 0 }

// slowDown draws what is answered late, for how long, and what goes wrong beside it.
func (s *simulation) slowDown() {
	s.slow.call = []string{"latest", "update", "clock", "release", "publish", "answer"}[s.random.IntN(6)]
	s.slow.turns = []int{20, 60, 120}[s.random.IntN(3)]
	s.slow.fault = []string{"", "response", "is lost", "nothing"}[s.random.IntN(4)]
	s.pauses = s.pauses[:1]
}

// linger keeps two of three who made the slow call where they are, often for a while of
// the clock too.
func (s *simulation) linger() {
	s.slow.now++
	late := false
	for _, t := range s.parked() {
		if t.arrived && t.point == s.slow.call && s.random.IntN(3) > 0 {
			t.late, late = s.slow.now+s.slow.turns, true
		}
		t.arrived = false
	}
	if late && s.random.IntN(2) == 0 {
		s.pause()
	}
}

// leavesOut says whether a kind of fault never strikes in this run.
func (s *simulation) leavesOut(fault string) bool {
	drawn := s.random.IntN(s.kinds) < s.kinds-1
	if s.slow.fault == "" {
		return drawn
	}
	return !strings.Contains(fault, s.slow.fault)
}
