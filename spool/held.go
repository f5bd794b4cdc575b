package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Held returns what the entries of all workers under a root hold, whether they live or
// not, and changes nothing. It is for those who ask what would be lost with a key or a
// host: an entry that is removed or changes hands meanwhile may be missed or named
// twice. A root that does not exist holds nothing.
func Held(root string) (held [][]byte, err error) {
	err = eachWorker(root, func(dir string) error {
		c, err := readAll(dir)
		for _, r := range c.live {
			held = append(held, r.data)
		}
		return err
	})
	return held, err
}

// eachWorker calls do with the directory of each worker. One that a sibling takes
// away meanwhile is passed over.
func eachWorker(root string, do func(dir string) error) error {
	found, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range found {
		if !f.IsDir() || !workerName.MatchString(f.Name()) {
			continue
		}
		if err := do(filepath.Join(root, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}
