package handlers_test

import (
	"time"
)

// theme says what a run is about. The runs of most seeds are about anything; others are
// narrow: few kinds of fault, which strike often, few lengths of pause, one worker alone, or
// one that goes on for long, and some of what may happen much more often than the rest.
// What a run of anything meets once in a million steps, one of the right theme meets in
// some thousands.
type theme struct {
	// kinds: one of so many kinds of fault strikes. odds: one in so many times.
	kinds, odds int
	pauses      []time.Duration
	// turns: whoever went on goes on again, but for one in so many times. 0: anybody may.
	// burst is how many steps are made before anything else happens.
	turns, burst int
	// twice: one in so many deliveries may be of what is being handled already.
	twice int
}

var anything = theme{
	kinds: 2, odds: 8, burst: 1, twice: 6,
	pauses: []time.Duration{time.Second, 3 * time.Second, 16 * time.Second, 46 * time.Second, 125 * time.Second},
}

// themed are half of the seeds of refreshes and of chains.
func themed(seed uint64) bool { return seed/8%2 == 1 }

// narrow draws the theme of a run, whose doings are known.
func (s *simulation) narrow() {
	s.kinds, s.odds = 2<<s.random.IntN(3), 1<<s.random.IntN(4)
	s.faults, s.again, s.twice = 1+s.random.IntN(6), s.random.IntN(8), []int{2, 6}[s.random.IntN(2)]
	s.turns, s.burst = []int{0, 4, 16}[s.random.IntN(3)], []int{1, 1, 5, 25}[s.random.IntN(4)]
	if s.random.IntN(3) == 0 {
		s.leaveOne()
	}
	all := s.pauses
	s.pauses = nil
	for range 2 {
		s.pauses = append(s.pauses, all[s.random.IntN(len(all))])
	}
	for i := range s.doings {
		often := s.random.IntN(5)
		if i < 2 { // nothing comes of a run in which nobody gets anything or goes on
			often = max(often, 1)
		}
		s.doings[i].weight *= []int{0, 1, 1, 2, 5}[often]
	}
}

// leaveOne takes all workers but one out of the run, before they have done anything.
func (s *simulation) leaveOne() {
	for _, p := range s.processes[1:] {
		p.crash()
	}
	s.processes = s.processes[:1]
}
