package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Save writes the keys to a new file with mode 0600 and returns once it would
// survive a power failure. An existing file is never touched; the error then
// matches fs.ErrExist, and a caller that raced another for the first keys can
// Load the winner's: a file that has its name is always whole.
//
// That is why the file is written under a temporary name and then linked, which
// unlike a rename fails if the name is taken. A crash between the two leaves the
// temporary file behind, as private as the real one.
func (k *Keys) Save(path string) error {
	data, err := k.encode()
	if err != nil {
		return fmt.Errorf("save keys: %w", err)
	}
	dir := filepath.Dir(path)
	temporary, err := writePrivate(dir, data)
	if err != nil {
		return fmt.Errorf("save keys: %w; %s must exist, be writable and have room", err, dir)
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, path); err != nil {
		return saveError(path, err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("save keys: %s is written, but may not survive a power failure: %w", path, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.path = path // what becomes of the file from now on, Reload takes over
	return nil
}

func saveError(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("save keys: %s already exists and is kept: all that was sealed under it needs it (%w)",
			path, fs.ErrExist)
	}
	return fmt.Errorf("save keys: %w; the file system must know hard links", err)
}

// writePrivate returns the name of a synced temporary file of mode 0600.
func writePrivate(dir string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, ".keys-*.tmp") // created with O_EXCL and 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
