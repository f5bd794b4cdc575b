package spool

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// minJournal is how large a journal becomes before it is replaced by one that holds
// only what is left of it.
const minJournal = 4 << 20

// batch is what one write makes durable.
type batch struct {
	lines   []byte
	puts    int
	done    chan struct{} // closed when err is known
	failure error
}

// commit returns when b is on disk, or could not be brought there.
func (s *Spool) commit(b *batch, first bool) error {
	if !first {
		<-b.done
		return b.failure
	}
	s.writing.Lock()
	b.failure = s.flush()
	close(b.done)
	s.writing.Unlock()
	s.note()
	return b.failure
}

// flush writes and syncs the open batch; writing is held. A journal that a write
// failed on is not written to again: see the package documentation.
func (s *Spool) flush() error {
	s.mu.Lock()
	lines := s.open.lines
	s.open = newBatch()
	replace := s.journal == nil || s.size+len(lines) > s.limit
	if replace {
		lines = s.snapshot()
	}
	s.mu.Unlock()
	if replace {
		return s.replace(lines)
	}
	err := s.write(lines)
	if err == nil {
		err = s.journal.Sync()
	}
	if err != nil {
		s.abandon()
	}
	return err
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// write appends; writing is held.
func (s *Spool) write(lines []byte) error {
	s.size += len(lines)
	_, err := s.journal.Write(lines)
	return err
}

func (s *Spool) abandon() {
	_ = s.journal.Close()
	s.journal = nil
}

// snapshot is all entries, written anew. Both mutexes are held.
func (s *Spool) snapshot() (lines []byte) {
	for _, e := range s.live {
		lines = e.append(lines)
	}
	return lines
}

// replace begins a new journal with what the worker holds, and removes the ones
// before it; writing is held.
func (s *Spool) replace(lines []byte) error {
	s.number++
	path := filepath.Join(s.dir, journalName(s.number))
	next, err := s.disk.create(path)
	if err != nil {
		return err
	}
	if s.journal != nil {
		s.abandon()
	}
	s.journal, s.size, s.limit = next, 0, max(minJournal, 3*len(lines))
	err = s.write(lines)
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = s.disk.syncDir(s.dir)
	}
	s.ours = append(s.ours, path)
	if err != nil {
		s.abandon()
		return err
	}
	s.ours = s.removed(s.ours[:len(s.ours)-1], path)
	return nil
}

// removed removes journals and returns those that are left, and what is to be kept
// beside them. One that stays is harmless, and tried again.
func (s *Spool) removed(paths []string, keep ...string) (left []string) {
	for _, path := range paths {
		if err := s.disk.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, path)
		}
	}
	return append(left, keep...)
}

// note writes removals, unless a Put of the same batch is about to. While the disk is
// busy it leaves them to whoever keeps it so, who comes here afterwards: they are not
// to wait for a Put that may never come, for a worker that is killed meanwhile leaves
// finished answers to be adopted. That is all that depends on them, so a failure only
// ends the journal.
func (s *Spool) note() {
	for s.writing.TryLock() {
		more := s.writeRemovals()
		s.writing.Unlock()
		if !more {
			return
		}
	}
}

// writeRemovals says whether there may be more by now; writing is held.
func (s *Spool) writeRemovals() (more bool) {
	s.mu.Lock()
	lines := s.open.lines
	if s.open.puts > 0 || len(lines) == 0 || s.journal == nil {
		s.mu.Unlock()
		return false
	}
	s.open = newBatch()
	s.mu.Unlock()
	if err := s.write(lines); err != nil {
		s.abandon()
	}
	return true
}
