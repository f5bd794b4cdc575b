package spool

import (
	"bytes"
	"fmt"
)

// Put stores data under name, [A-Za-z0-9_-]{1,64}, and returns nil only when it
// would survive a power failure. Putting a name again replaces it as a whole. One
// write and one sync serve all who call it while the disk is busy.
//
// After an error the entry may be on disk or not; this process has it until it
// ends, and writes it with what is put next. The caller owns the name all the same:
// Put it again, Remove or Release it.
func (s *Spool) Put(name string, data []byte) error {
	if len(data) > maxData {
		return fmt.Errorf("spool %s: %d bytes are more than the %d an entry may have", name, len(data), maxData)
	}
	if err := checkName(name); err != nil {
		return err
	}
	b, first, err := s.join(name, data)
	if err != nil {
		return err
	}
	defer s.writes.Done()
	if err := s.commit(b, first); err != nil {
		return fmt.Errorf("spool %s: %w", name, advise(s.dir, err))
	}
	return nil
}

// join takes ownership of the name and adds the entry to the open batch. first says
// that nobody else flushes it.
func (s *Spool) join(name string, data []byte) (b *batch, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	r := record{kind: kindPut, name: name, at: s.now(), data: bytes.Clone(data)}
	s.live[name] = &entry{record: r, owned: true}
	s.writes.Add(1)
	b, first = s.add(r)
	return b, first, nil
}

// add is called with mu held.
func (s *Spool) add(r record) (b *batch, first bool) {
	b = s.open
	b.lines = r.append(b.lines)
	b.puts++
	return b, b.puts == 1
}

// Remove ends an entry whose effects are durable elsewhere. A name that is not
// there is fine. The removal itself is not synced: after a power failure the
// entry may be back, and will be adopted.
func (s *Spool) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if _, ok := s.live[name]; ok {
		delete(s.live, name)
		s.open.lines = record{kind: kindRemove, name: name, at: s.now()}.append(s.open.lines)
	}
	s.writes.Add(1)
	s.mu.Unlock()
	defer s.writes.Done()
	s.note()
	return nil
}

// Release gives up an entry that could not be finished; the next Adopt hands it
// out again.
func (s *Spool) Release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.live[name]; ok {
		e.owned = false
	}
}

func checkName(name string) error {
	if !entryName.MatchString(name) {
		return fmt.Errorf("spool: entry name %q: want 1 to 64 of A-Z a-z 0-9 _ -", name)
	}
	return nil
}
