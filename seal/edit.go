package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What Edit refuses, beside what Load does.
var (
	// ErrSymlink: replacing the file would replace the link, and leave the file behind it.
	ErrSymlink = errors.New("keys file is a symbolic link")
	// ErrEdited: somebody else is changing the same file.
	ErrEdited = errors.New("keys file is being changed by somebody else")
)

// Edit changes a keys file: change is given what it holds, and what it leaves of that
// takes the file's place, whole and durable, with mode and owner kept. An error of
// change leaves the file alone. One Edit of a file happens at a time; whoever reads
// meanwhile reads the old file or the new one.
//
// No copy of the old file is kept: the new one holds all of its keys but those that
// were destroyed, which a copy would bring back.
func Edit(path string, change func(*Keys) error) error {
	old, err := openLocked(path)
	if err != nil {
		return err
	}
	defer old.Close()
	data, err := io.ReadAll(io.LimitReader(old, maxFile))
	if err != nil {
		return fmt.Errorf("read keys file: %w", err)
	}
	keys, err := decodeFile(path, data)
	if err != nil {
		return err
	}
	if err := change(keys); err != nil {
		return err
	}
	if data, err = keys.encode(); err != nil {
		return fmt.Errorf("save keys: %w", err)
	}
	return replace(path, old, data)
}

// openLocked opens the file that has this name and keeps others from changing it
// until it is closed.
func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%w: %s; name the file itself (readlink -f), or change it where it is kept and distribute it", ErrSymlink, path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w at %s: make one with `worker keys new`, or name the right path under keys.file", ErrNoKeys, path)
	case err != nil:
		return nil, fmt.Errorf("open keys file: %w", err)
	}
	if err = checkPrivate(f); err == nil {
		err = lockFile(f, path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockFile takes the lock of an open file (flock(2)), and sees that it still has its
// name: whoever had the lock before may have put another file there.
func lockFile(f *os.File, path string) error {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s; try again", ErrEdited, path)
	}
	if err != nil {
		return fmt.Errorf("lock keys file: %w", err)
	}
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("lock keys file: %w", err)
	}
	if named, err := os.Lstat(path); err != nil || !os.SameFile(mine, named) {
		return fmt.Errorf("%w: %s; try again", ErrEdited, path)
	}
	return nil
}

// replace puts data in the place of a file.
func replace(path string, old *os.File, data []byte) error {
	dir := filepath.Dir(path)
	temporary, err := writePrivate(dir, data)
	if err != nil {
		return fmt.Errorf("save keys: %w; %s must be writable and have room", err, dir)
	}
	defer os.Remove(temporary) // gone by then, if all went well
	if err := resemble(temporary, old); err != nil {
		return fmt.Errorf("save keys: %w; run this as the user that the file belongs to", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("save keys: %w; a file that is mounted by itself is changed where it comes from", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("save keys: %s is written, but may not survive a power failure: %w", path, err)
	}
	return nil
}

// resemble gives a file the mode and the owner of another: one that belongs to
// whoever ran the command, root perhaps, no worker could read.
func resemble(path string, old *os.File) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	var was, is unix.Stat_t
	if err := errors.Join(unix.Fstat(int(old.Fd()), &was), unix.Stat(path, &is)); err != nil {
		return err
	}
	if was.Uid != is.Uid || was.Gid != is.Gid {
		if err := os.Chown(path, int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(path, info.Mode().Perm())
}
