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
	// Entries are whole by their names; their content is not read. Others are files that
	// no Put finished.
	Entries, Others int
}

// Look counts what all workers of a root have not finished, and changes nothing: a
// worker that adopts at this moment may pass over a directory until its next round.
// A root that is not there holds nothing.
func Look(root string) ([]Waiting, error) {
	found, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Waiting
	for _, f := range found {
		if !f.IsDir() || !workerName.MatchString(f.Name()) {
			continue
		}
		w, err := lookAt(root, f.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // emptied by a sibling meanwhile
		}
		if err != nil {
			return all, err
		}
		all = append(all, w)
	}
	return all, nil
}

func lookAt(root, worker string) (Waiting, error) {
	w := Waiting{Worker: worker}
	dir := filepath.Join(root, worker)
	files, err := os.ReadDir(dir)
	if err != nil {
		return w, err
	}
	if w.Alive, err = held(filepath.Join(dir, lockName)); err != nil {
		return w, err
	}
	for _, f := range files {
		switch {
		case f.Name() == lockName:
		case isEntry(f.Name()):
			w.Entries++
		case !w.Alive: // one that is being written is nobody's leftover
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
