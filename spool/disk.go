package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// disk is what the spool does to the file system beyond reading it. Tests put one
// in its place that fails before or after the deed.
type disk interface {
	// create makes a new file of mode 0600, to which is appended. Its name is not durable.
	create(path string) (file, error)
	remove(path string) error
	// rename gives a file another name in its directory.
	rename(from, to string) error
	// syncDir makes the names in dir durable.
	syncDir(dir string) error
}

// file is a journal that is written to.
type file interface {
	io.WriteCloser
	// Sync makes durable what was written.
	Sync() error
}

type osDisk struct{}

func (osDisk) create(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (osDisk) remove(path string) error     { return os.Remove(path) }
func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// advise ends an error of the file system in what to do about it.
func advise(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; free space on the disk of %s, or move --data-dir to a larger one", err, dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; mount the disk of %s writable, or move --data-dir", err, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; %s must belong to the user that runs the worker, with mode 0700", err, dir)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; if %s was removed under the running worker, restart it", err, dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; %s must be a directory, or move --data-dir", err, dir)
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w; check the disk of %s: nothing on it can be relied on", err, dir)
	}
	return err
}
