package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Holding is what lies in a spool's root.
type Holding struct {
	Entries int
	// Oldest is when the oldest entry was written, by this host's clock; zero without entries.
	Oldest time.Time
}

// Holding counts the entries of all workers that share the root: those of a dead
// one wait for any of its siblings. It takes no lock, so what comes and goes
// meanwhile may be counted or not.
func (s *Spool) Holding() (Holding, error) {
	workers, err := os.ReadDir(s.root)
	if err != nil {
		return Holding{}, err
	}
	var all Holding
	for _, w := range workers {
		if !w.IsDir() {
			continue
		}
		if err := all.add(filepath.Join(s.root, w.Name())); err != nil {
			return Holding{}, err
		}
	}
	return all, nil
}

func (h *Holding) add(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an emptied directory is taken away
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !isEntry(f.Name()) {
			continue
		}
		h.Entries++
		if h.Oldest.IsZero() || info.ModTime().Before(h.Oldest) {
			h.Oldest = info.ModTime()
		}
	}
	return nil
}
