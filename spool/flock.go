package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// gatePatience bounds the wait for the root's lock. Its holders write a
	// journal; only one that is stopped or whose disk hangs needs longer.
	gatePatience = 2 * time.Second
	gateInterval = 5 * time.Millisecond
)

var errHeld = errors.New("lock is held")

// flock is a lock of flock(2) on an open file. It belongs to the open file, not to
// the process, so that two workers of one process exclude each other as well.
type flock struct{ file *os.File }

// tryFlock makes the file where it is missing and locks it, or answers errHeld.
func tryFlock(path string) (*flock, error) { return flockFile(path, os.O_RDWR|os.O_CREATE) }

func flockFile(path string, mode int) (*flock, error) {
	file, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.EINTR
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		return &flock{file: file}, nil
	}
	_ = file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errHeld
	}
	return nil, fmt.Errorf("lock %s: %w; the data directory must be on a local file system", path, err)
}

// passGate takes the root's lock, under which alone worker directories are made
// and removed. flock(2) waits for ever or not at all, hence the polling.
func passGate(root string) (*flock, error) {
	path := filepath.Join(root, gateName)
	for deadline := time.Now().Add(gatePatience); ; time.Sleep(gateInterval) {
		gate, err := tryFlock(path)
		if !errors.Is(err, errHeld) {
			return gate, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w: %s, for more than %v; look for a stopped worker with `fuser %[2]s`", ErrBusy, path, gatePatience)
		}
	}
}

// sign leaves the process id in the lock file, for the error message of the next
// who wants it. Nothing depends on it.
func (l *flock) sign() {
	_ = l.file.Truncate(0)
	_, _ = l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
}

func owner(path string) string {
	pid, err := os.ReadFile(path)
	if err != nil || len(pid) == 0 {
		return "unknown"
	}
	return strings.TrimSpace(string(pid))
}

// release unlocks before it closes: a child that is being forked shares the open
// file for a moment, and closing alone would leave it locked that long.
func (l *flock) release() {
	_ = unix.Flock(int(l.file.Fd()), unix.LOCK_UN)
	_ = l.file.Close()
}
