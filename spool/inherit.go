package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// takeOver moves the entries of dead siblings here.
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
	if err := a.gather(dir, math.MaxUint64); err != nil {
		return err
	}
	return a.removeEmptied(dir)
}

// gather makes the entries of the journals of dir, up to the number last, this
// worker's: they go into its own journal before those are ended. dir is a dead
// sibling's, or this worker's own from an earlier life.
func (a *adoption) gather(dir string, last uint64) error {
	a.note(a.strangers(dir))
	c, err := readUpTo(dir, last)
	if err == nil {
		err = a.takeIn(&c)
	}
	if err == nil {
		err = a.end(dir, c)
	}
	if err != nil {
		return fmt.Errorf("take over %s: %w", dir, advise(a.dir, err))
	}
	return nil
}

// strangers tells of what is no journal.
func (a *adoption) strangers(dir string) error {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		_, journal := journalNumber(f.Name())
		if f.Name() != lockName && (!journal || !f.Type().IsRegular()) {
			a.leave(filepath.Join(dir, f.Name()), errors.New("not a journal of the spool"))
		}
	}
	return err
}

// takeIn writes entries into this worker's journal, those too that it has in memory:
// an earlier try may have failed after that. Of two entries of one name and other
// content the other one stays in its journal, which counts as damaged.
func (a *adoption) takeIn(c *contents) error {
	a.mu.Lock()
	var lines batchOf
	for name, r := range c.live {
		twin, ok := a.live[name]
		if ok && !bytes.Equal(twin.data, r.data) {
			c.damaged = c.journals
			continue
		}
		if !ok {
			a.live[name] = &entry{record: r}
		}
		lines.add(a.add(r))
	}
	a.mu.Unlock()
	if lines.batch == nil {
		return nil
	}
	return a.commit(lines.batch, lines.first)
}

// batchOf is the one batch that several records were added to.
type batchOf struct {
	batch *batch
	first bool
}

func (o *batchOf) add(b *batch, first bool) { o.batch, o.first = b, o.first || first }

// end takes journals away whose entries are this worker's now, and sets those aside
// that hold something else.
func (a *adoption) end(dir string, c contents) error {
	if len(c.journals) == 0 {
		return nil
	}
	for _, path := range c.journals {
		if !slices.Contains(c.damaged, path) {
			if err := a.disk.remove(path); err != nil {
				return err
			}
			continue
		}
		if err := a.disk.rename(path, path+tornSuffix); err != nil {
			return err
		}
		a.leave(path+tornSuffix, errTorn)
	}
	return a.disk.syncDir(dir)
}

// removeEmptied removes a sibling's directory unless leftovers keep it.
func (a *adoption) removeEmptied(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 1 {
		return err
	}
	return errors.Join(a.disk.remove(filepath.Join(dir, lockName)), a.disk.remove(dir))
}
