package handlers

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/regrant/regrant/links"
)

// sights is what this process has seen of attempts with its own eyes and its own
// monotonic clock (model: EXPIRE). Another host's clock is never part of it: a
// process that has just started knows nothing and must watch a whole patience.
type sights struct {
	mu       sync.Mutex
	patience time.Duration
	of       *lru.Cache[string, sight]
}

type sight struct {
	first    time.Time // when this process first saw the attempt
	standing links.Standing
	settled  time.Time
}

// attemptsWatched bounds the memory. Forgetting an attempt costs another patience, nothing else.
const attemptsWatched = 100_000

func newSights(patience time.Duration) *sights {
	of, err := lru.New[string, sight](attemptsWatched)
	if err != nil {
		panic(err) // a positive constant
	}
	return &sights{patience: patience, of: of}
}

// see tells the standing of an attempt. patiences is how many must pass before
// another's attempt counts as over: one under the lock that its owner stopped
// renewing, two without a lock server.
func (s *sights) see(attempt string, now time.Time, patiences int) links.Sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.of.Get(attempt)
	if !ok {
		got = sight{first: now}
		s.of.Add(attempt, got)
	}
	return s.standing(got, now, patiences)
}

// glance is see for who only asks: it does not begin to watch, for whoever asks has
// no lock that the attempt's owner would have to have lost.
func (s *sights) glance(attempt string, now time.Time, patiences int) links.Sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.of.Peek(attempt)
	if !ok {
		got = sight{first: now}
	}
	return s.standing(got, now, patiences)
}

func (s *sights) standing(got sight, now time.Time, patiences int) links.Sight {
	if got.standing != links.Watched {
		return links.Sight{Standing: got.standing, Since: now.Sub(got.settled)}
	}
	end := got.first.Add(s.patience * time.Duration(patiences))
	if rest := end.Sub(now); rest > 0 {
		return links.Sight{Standing: links.Watched, Rest: rest}
	}
	return links.Sight{Standing: links.Over, Since: now.Sub(end)}
}

// settle notes how an attempt of this process ended.
func (s *sights) settle(attempt string, standing links.Standing, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of.Add(attempt, sight{first: now, standing: standing, settled: now})
}
