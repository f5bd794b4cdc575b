package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// faultDisk is the real disk until step number at, counted from 1 over all steps;
// that step fails, undone or (applied) done. What follows works again.
type faultDisk struct {
	osDisk
	at      int
	applied bool
	fault   error
	steps   []string
}

func (d *faultDisk) step(what, path string, do func() error) error {
	d.steps = append(d.steps, what+" "+filepath.Base(path))
	if len(d.steps) != d.at {
		return do()
	}
	if d.applied {
		_ = do()
	}
	return &fs.PathError{Op: what, Path: path, Err: d.fault}
}

// write leaves half of the bytes where it fails undone: a full disk does.
func (d *faultDisk) write(path string, data []byte) error {
	err := d.step("write", path, func() error { return d.osDisk.write(path, data) })
	if err != nil && !d.applied {
		_ = os.WriteFile(path, data[:len(data)/2], 0o600)
	}
	return err
}

func (d *faultDisk) rename(from, to string) error {
	return d.step("rename", to, func() error { return d.osDisk.rename(from, to) })
}

func (d *faultDisk) remove(path string) error {
	return d.step("remove", path, func() error { return d.osDisk.remove(path) })
}

func (d *faultDisk) syncDir(dir string) error {
	return d.step("sync", dir, func() error { return d.osDisk.syncDir(dir) })
}

// arm counts from here.
func (d *faultDisk) arm(at int, applied bool, fault error) {
	d.steps, d.at, d.applied, d.fault = nil, at, applied, fault
}

func openFaulty(t *testing.T, root string) (*Spool, *faultDisk) {
	t.Helper()
	d := &faultDisk{}
	s, err := openOn(d, root, "w1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, d
}

// The order is the promise: bytes, name, directory; and for an adoption the new
// directory before the old one.
func TestTheStepsOfDurability(t *testing.T) {
	root := filepath.Join(t.TempDir(), "data", "spool")
	s, d := openFaulty(t, root)
	want(t, d.steps, "sync "+filepath.Base(filepath.Dir(filepath.Dir(root))), "sync data", "sync spool")
	d.arm(0, false, nil)
	put(t, s, "a")
	if len(d.steps) != 3 || !strings.HasPrefix(d.steps[0], "write a.") {
		t.Fatalf("Put did %q", d.steps)
	}
	want(t, d.steps[1:], "rename a.sealed", "sync w1")
	leave(t, frame(payload("b")), root, "w2", "b.sealed")
	d.arm(0, false, nil)
	want(t, adopt(t, s), "b")
	want(t, d.steps, "rename b.sealed", "sync w1", "sync w2", "remove lock", "remove w2")
}

func TestAPutThatFailsSaysSoAndCanBeRepeated(t *testing.T) {
	for at := 1; at <= 3; at++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(at, applied), func(t *testing.T) {
				root := t.TempDir()
				s, d := openFaulty(t, root)
				d.arm(at, applied, syscall.EIO)
				if err := s.Put("a", payload("a")); !errors.Is(err, syscall.EIO) {
					t.Fatalf("step %v failed and Put said %v", d.steps, err)
				}
				want(t, adopt(t, s)) // still the caller's, and nothing torn lies about
				put(t, s, "a")
				want(t, files(t, s.dir), "a.sealed")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				want(t, adopt(t, open(t, root, "w1")), "a")
			})
		}
	}
}

// Whichever step of an adoption fails, undone or done: the next one completes it,
// every entry is handed out once in this process, and none is lost.
func TestAnAdoptionThatFailsLosesNothing(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(at, applied), func(t *testing.T) {
				root := t.TempDir()
				s, d := openFaulty(t, root)
				leave(t, frame(payload("a")), root, "w2", "a.sealed")
				leave(t, frame(payload("b")), root, "w2", "b.X.tmp")
				leave(t, frame(payload("c")), root, "w1", "c.X.tmp")
				d.arm(at, applied, syscall.EIO)
				first, err := s.Adopt()
				if failed := len(d.steps) >= at; failed != errors.Is(err, syscall.EIO) {
					t.Fatalf("steps %q, error %v", d.steps, err)
				}
				d.arm(0, false, nil)
				second, _ := s.Adopt() // a half written temporary file is a leftover, rightly
				names := append(check(t, first), check(t, second)...)
				if len(names) != 3 {
					t.Fatalf("handed out %q", names)
				}
				for _, name := range []string{"a", "b", "c"} {
					if !strings.Contains(strings.Join(names, " "), name) {
						t.Errorf("%s is lost", name)
					}
				}
				want(t, files(t, root), "w1")
			})
		}
	}
}

// stuckDisk holds every write until it is let go.
type stuckDisk struct {
	osDisk
	letGo chan struct{}
}

func (d stuckDisk) write(path string, data []byte) error {
	<-d.letGo
	return d.osDisk.write(path, data)
}

// The lock may not go while a Put is under way: a sibling would take the
// directory from under it.
func TestCloseWaitsForAPut(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := stuckDisk{letGo: make(chan struct{})}
		s, err := openOn(d, root, "w1")
		if err != nil {
			t.Fatal(err)
		}
		putted, closed := make(chan error, 1), make(chan error, 1)
		go func() { putted <- s.Put("a", payload("a")) }()
		synctest.Wait()
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if _, err := Open(root, "w1"); !errors.Is(err, ErrLocked) {
			t.Errorf("during a Put the closing spool is free: %v", err)
		}
		close(d.letGo)
		if err := errors.Join(<-putted, <-closed); err != nil {
			t.Error(err)
		}
	})
	want(t, adopt(t, open(t, root, "w1")), "a")
}

func TestARemoveThatFailsKeepsTheOwner(t *testing.T) {
	s, d := openFaulty(t, t.TempDir())
	put(t, s, "a")
	d.arm(1, false, syscall.EROFS)
	wantAdvice(t, s.Remove("a"), syscall.EROFS, "writable")
	want(t, adopt(t, s))
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
}

func TestDiskErrorsSayWhatToDo(t *testing.T) {
	for fault, advice := range map[error]string{
		syscall.ENOSPC: "free space",
		syscall.EDQUOT: "free space",
		syscall.EROFS:  "writable",
		syscall.EACCES: "must belong to the user",
		syscall.EPERM:  "must belong to the user",
		syscall.ENOENT: "restart",
		syscall.EIO:    "check the disk",
	} {
		s, d := openFaulty(t, t.TempDir())
		d.arm(1, false, fault)
		wantAdvice(t, s.Put("a", nil), fault, advice, s.dir)
		_, err := openOn(&faultDisk{at: 1, fault: fault}, s.root, "w2")
		wantAdvice(t, err, fault, advice, s.root)
	}
}

func TestADirectoryThatIsNoneOrGone(t *testing.T) {
	file := leave(t, nil, t.TempDir(), "file")
	_, err := Open(file, "w1")
	wantAdvice(t, err, syscall.ENOTDIR, "must be a directory")
	s := open(t, t.TempDir(), "w1")
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	wantAdvice(t, s.Put("a", nil), fs.ErrNotExist, "restart")
}
