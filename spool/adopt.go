package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrLeftover is matched by the error that tells of a file which is no whole
// entry. It stays where it is, for a person to look at, and is told of once in
// the life of a Spool.
var ErrLeftover = errors.New("spool has a leftover")

// Entry is what Put was given.
type Entry struct {
	Name string
	Data []byte
}

// Adopt hands out the entries that nobody in this process owns: those of an earlier
// life of this worker, those that were released, and those of dead siblings, whose
// files become this worker's. Each is owned by the caller until Remove or Release.
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
	a.note(a.gather(s.dir))
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
func (a *adoption) handOut() []Entry {
	files, err := os.ReadDir(a.dir)
	a.note(err)
	var entries []Entry
	for _, f := range files {
		if !isEntry(f.Name()) {
			continue
		}
		name, _ := nameOf(f.Name())
		if data, ok := a.own(name); ok {
			entries = append(entries, Entry{Name: name, Data: data})
		}
	}
	return entries
}

// own reads and marks in one step, which a Remove of the same moment cannot split.
func (a *adoption) own(name string) ([]byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owned[name] {
		return nil, false
	}
	data, ok := a.read(a.path(name))
	if ok {
		a.owned[name] = true
	}
	return data, ok
}

// read returns a whole entry's data. A file that vanished was removed by its owner.
func (a *adoption) read(path string) ([]byte, bool) {
	data, err := readFrame(path)
	switch {
	case errors.Is(err, errTorn):
		a.leave(path, err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		a.note(err)
	}
	return data, err == nil
}
