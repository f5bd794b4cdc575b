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
func Held(root string) ([][]byte, error) {
	files, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		return nil, err
	}
	if _, err := os.ReadDir(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // Glob says nothing of what it may not read
	}
	var held [][]byte
	for _, path := range files {
		if _, ours := nameOf(filepath.Base(path)); !ours {
			continue
		}
		switch data, err := readFrame(path); {
		case err == nil:
			held = append(held, data)
		case errors.Is(err, errTorn), errors.Is(err, fs.ErrNotExist): // nothing that could be finished
		default:
			return nil, err
		}
	}
	return held, nil
}
