package spool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrLeftover is matched by the error that tells of a file which is no journal, or
// of one that was damaged: its whole entries are taken over, and it stays where it is,
// for a person to look at. It is told of once in the life of a Spool.
var ErrLeftover = errors.New("spool has a leftover")

// Entry is what Put was given.
type Entry struct {
	Name string
	Data []byte
}

// Adopt hands out the entries that nobody in this process owns: those of an earlier
// life of this worker, those that were released, and those of dead siblings, which
// become this worker's. Each is owned by the caller until Remove or Release.
//
// The entries are good and owned even when the error is not nil: what fails or is
// left over (ErrLeftover, ErrBusy) does not hold up the rest. Call it at the start
// and at an interval.
func (s *Spool) Adopt() ([]Entry, error) {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	if s.isClosed() {
		return nil, ErrClosed
	}
	a := adoption{Spool: s}
	a.takeOver()
	a.note(a.gather(s.dir, s.inherited))
	entries := a.handOut()
	if err := errors.Join(a.problems...); err != nil {
		return entries, fmt.Errorf("adopt spool entries: %w", err)
	}
	return entries, nil
}

func (s *Spool) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// adoption is one call of Adopt and what went wrong in it.
type adoption struct {
	*Spool
	problems []error
}

func (a *adoption) note(err error) {
	if err != nil {
		a.problems = append(a.problems, err)
	}
}

// leave tells of a file that stays where it is.
func (a *adoption) leave(path string, why error) {
	if !a.reported[path] {
		a.reported[path] = true
		a.note(fmt.Errorf("%w: %s: %w; it was left in place, move it away once looked at", ErrLeftover, path, why))
	}
}

// handOut makes the caller own every entry that nobody owns.
func (a *adoption) handOut() (entries []Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, e := range a.live {
		if !e.owned {
			e.owned = true
			entries = append(entries, Entry{Name: name, Data: e.data})
		}
	}
	slices.SortFunc(entries, func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
	return entries
}
