package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Put stores data under name, [A-Za-z0-9_-]{1,64}, and returns nil only when it
// would survive a power failure. Putting a name again replaces it as a whole.
//
// After an error the entry may be there or not, and data is still the caller's
// only copy. He owns the name all the same: Put it again, Remove or Release it.
func (s *Spool) Put(name string, data []byte) error {
	if len(data) > maxData {
		return fmt.Errorf("spool %s: %d bytes are more than the %d an entry may have", name, len(data), maxData)
	}
	if err := s.begin(name); err != nil {
		return err
	}
	defer s.puts.Done()
	if err := s.write(name, data); err != nil {
		return fmt.Errorf("spool %s: %w", name, advise(s.dir, err))
	}
	return nil
}

// begin takes ownership before the first byte is on disk, so that an Adopt of the
// same moment leaves the temporary file alone.
func (s *Spool) begin(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.owned[name] = true
	s.puts.Add(1)
	return nil
}

// write makes an entry durable. The steps and their order are explained in the
// package documentation.
func (s *Spool) write(name string, data []byte) error {
	temporary := filepath.Join(s.dir, name+"."+rand.Text()[:12]+temporarySuffix)
	err := s.disk.write(temporary, frame(data))
	if err == nil {
		err = s.disk.rename(temporary, s.path(name))
	}
	if err != nil {
		_ = s.disk.remove(temporary)
		return err
	}
	return s.disk.syncDir(s.dir)
}

// Remove ends an entry whose effects are durable elsewhere. A name that is not
// there is fine. The removal itself is not synced: after a power failure the
// entry may be back, and will be adopted.
func (s *Spool) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.disk.remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s from spool: %w", name, advise(s.dir, err))
	}
	delete(s.owned, name)
	return nil
}

// Release gives up an entry that could not be finished; the next Adopt hands it
// out again.
func (s *Spool) Release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owned, name)
}

func (s *Spool) path(name string) string { return filepath.Join(s.dir, name+entrySuffix) }

func checkName(name string) error {
	if !entryName.MatchString(name) {
		return fmt.Errorf("spool: entry name %q: want 1 to 64 of A-Z a-z 0-9 _ -", name)
	}
	return nil
}
