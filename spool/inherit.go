package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// takeOver moves the files of dead siblings here.
func (a *adoption) takeOver() {
	found, err := os.ReadDir(a.root)
	a.note(err)
	for _, f := range found {
		if f.IsDir() && f.Name() != a.worker && workerName.MatchString(f.Name()) {
			a.note(a.inherit(filepath.Join(a.root, f.Name())))
		}
	}
}

// inherit takes over one sibling's directory, unless its worker lives or another
// sibling was quicker.
func (a *adoption) inherit(dir string) error {
	gate, err := passGate(a.root)
	if err != nil {
		return err
	}
	defer gate.release()
	lock, err := tryFlock(filepath.Join(dir, lockName))
	if errors.Is(err, errHeld) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take over %s: %w", dir, advise(dir, err))
	}
	defer lock.release()
	if err := a.gather(dir); err != nil {
		return err
	}
	return a.removeEmptied(dir)
}

// gather gives every whole entry of dir, this worker's own directory or a dead
// sibling's, its durable place here. Own entries have theirs already.
func (a *adoption) gather(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	moved := false
	for _, f := range files {
		if f.Name() == lockName || dir == a.dir && isEntry(f.Name()) {
			continue
		}
		claimed, err := a.claim(dir, f)
		if err != nil {
			return fmt.Errorf("take over %s: %w", filepath.Join(dir, f.Name()), advise(a.dir, err))
		}
		moved = moved || claimed
	}
	if !moved {
		return nil
	}
	if err := a.disk.syncDir(a.dir); err != nil { // before the old directory: see the package documentation
		return err
	}
	return a.disk.syncDir(dir)
}

// claim moves one file to its place here. It says false for a file that stays.
func (a *adoption) claim(dir string, f fs.DirEntry) (bool, error) {
	path := filepath.Join(dir, f.Name())
	name, ok := nameOf(f.Name())
	if !ok || !f.Type().IsRegular() {
		a.leave(path, errors.New("not a file of the spool"))
		return false, nil
	}
	a.mu.Lock() // until it is moved: no Put of this name may begin meanwhile
	defer a.mu.Unlock()
	if dir == a.dir && a.owned[name] { // a Put is writing it
		return false, nil
	}
	data, ok := a.read(path)
	if !ok {
		return false, nil
	}
	return a.place(path, name, data)
}

// place stores the entry under its name here and ends the file at path. A crash
// in here once before may have left the entry in both places; then they are equal.
func (a *adoption) place(path, name string, data []byte) (bool, error) {
	twin, err := readFrame(a.path(name))
	switch {
	case err == nil && bytes.Equal(twin, data):
		return true, a.disk.remove(path)
	case !errors.Is(err, fs.ErrNotExist):
		a.leave(path, fmt.Errorf("%s has the same name and other content", a.path(name)))
		return false, nil
	case isEntry(filepath.Base(path)): // Put synced it before it got that name
		return true, a.disk.rename(path, a.path(name))
	}
	if err := a.write(name, data); err != nil {
		return false, err
	}
	return true, a.disk.remove(path)
}

// removeEmptied removes a sibling's directory unless leftovers keep it.
func (a *adoption) removeEmptied(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 1 {
		return err
	}
	return errors.Join(a.disk.remove(filepath.Join(dir, lockName)), a.disk.remove(dir))
}
