package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Waiting is what one worker's directory holds.
type Waiting struct {
	Worker string
	// Alive says that a process works under this name.
	Alive bool
	// Entries are whole. Others are files that hold something else as well.
	Entries, Others int
}

// Look counts what all workers of a root have not finished, and changes nothing: a
// worker that adopts at this moment may pass over a directory until its next round.
// A root that is not there holds nothing.
func Look(root string) (all []Waiting, err error) {
	err = eachWorker(root, func(dir string) error {
		w, err := lookAt(dir)
		if err == nil {
			all = append(all, w)
		}
		return err
	})
	return all, err
}

func lookAt(dir string) (w Waiting, err error) {
	w.Worker = filepath.Base(dir)
	if w.Alive, err = held(filepath.Join(dir, lockName)); err != nil {
		return w, err
	}
	c, err := readAll(dir)
	if err != nil {
		return w, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return w, err
	}
	w.Entries, w.Others = len(c.live), len(c.damaged)
	if w.Alive {
		w.Others = 0 // a record that is being written is nobody's leftover
	}
	for _, f := range files {
		if _, journal := journalNumber(f.Name()); !journal && f.Name() != lockName {
			w.Others++
		}
	}
	return w, nil
}

// held says whether a process holds a lock. It makes no file: a directory without a
// lock is nobody's.
func held(path string) (bool, error) {
	lock, err := flockFile(path, os.O_RDWR)
	switch {
	case errors.Is(err, errHeld):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	lock.release()
	return false, nil
}
