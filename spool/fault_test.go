package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

func (d *faultDisk) create(path string) (f file, err error) {
	err = d.step("create", path, func() error {
		f, err = d.osDisk.create(path)
		return err
	})
	if err != nil && f != nil {
		_ = f.Close()
	}
	return &faultFile{file: f, disk: d, path: path}, err
}

type faultFile struct {
	file
	disk *faultDisk
	path string
}

// Write leaves half of the bytes where it fails undone: a full disk does.
func (f *faultFile) Write(data []byte) (n int, err error) {
	err = f.disk.step("write", f.path, func() error {
		n, err = f.file.Write(data)
		return err
	})
	if err != nil && !f.disk.applied {
		n, _ = f.file.Write(data[:len(data)/2])
	}
	return n, err
}

func (f *faultFile) Sync() error { return f.disk.step("sync", f.path, f.file.Sync) }

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

// The order is the promise: bytes, then name; and for an adoption the new directory
// before the old one.
func TestTheStepsOfDurability(t *testing.T) {
	root := filepath.Join(t.TempDir(), "data", "spool")
	s, d := openFaulty(t, root)
	want(t, d.steps, "sync "+filepath.Base(filepath.Dir(filepath.Dir(root))), "sync data", "sync spool")
	d.arm(0, false, nil)
	put(t, s, "a")
	want(t, d.steps, "create 1.journal", "write 1.journal", "sync 1.journal", "sync w1")
	d.arm(0, false, nil)
	put(t, s, "b")
	want(t, d.steps, "write 1.journal", "sync 1.journal")
	d.arm(0, false, nil)
	if err := s.Remove("b"); err != nil {
		t.Fatal(err)
	}
	want(t, d.steps, "write 1.journal")
	leave(t, journal("b"), root, "w2", "7.journal")
	d.arm(0, false, nil)
	want(t, adopt(t, s), "b")
	want(t, d.steps, "write 1.journal", "sync 1.journal", "remove 7.journal", "sync w2", "remove lock", "remove w2")
}

func TestAPutThatFailsSaysSoAndCanBeRepeated(t *testing.T) {
	for at := 1; at <= 2; at++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(at, applied), func(t *testing.T) {
				root := t.TempDir()
				s, d := openFaulty(t, root)
				put(t, s, "before")
				d.arm(at, applied, syscall.EIO)
				if err := s.Put("a", payload("a")); !errors.Is(err, syscall.EIO) {
					t.Fatalf("step %v failed and Put said %v", d.steps, err)
				}
				want(t, adopt(t, s)) // still the caller's
				d.arm(0, false, nil)
				put(t, s, "a")
				want(t, d.steps, "create 2.journal", "write 2.journal", "sync 2.journal", "sync w1", "remove 1.journal")
				want(t, files(t, s.dir), "2.journal")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				want(t, adopt(t, open(t, root, "w1")), "a", "before")
			})
		}
	}
}

// Whichever step of a new journal fails: what was put before is still on disk, and
// the next Put makes another.
func TestAJournalThatCannotBeBegunLosesNothing(t *testing.T) {
	for at := 1; at <= 5; at++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(at, applied), func(t *testing.T) {
				root := t.TempDir()
				s, d := openFaulty(t, root)
				put(t, s, "a")
				s.limit = 0 // full
				d.arm(at, applied, syscall.EIO)
				if err := s.Put("b", payload("b")); errors.Is(err, syscall.EIO) != (at < 5) {
					t.Fatalf("steps %q, error %v", d.steps, err)
				}
				d.arm(0, false, nil)
				if found := strings.Join(onDisk(t, s), " "); !strings.HasPrefix(found, "a") {
					t.Fatalf("on disk is %q", found)
				}
				put(t, s, "c")
				want(t, onDisk(t, s), "a", "b", "c")
			})
		}
	}
}

// One write and one sync serve all who put while the disk is busy.
func TestPutsShareASync(t *testing.T) {
	d := stuckDisk{faultDisk: &faultDisk{}, letGo: make(chan struct{})}
	s, err := openOn(d, t.TempDir(), "w1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.arm(0, false, nil)
	var all sync.WaitGroup
	all.Go(func() { put(t, s, "first") })
	for !s.flushing() {
		runtime.Gosched()
	}
	for n := range 50 {
		all.Go(func() { put(t, s, fmt.Sprint(n)) })
	}
	for s.joined() < 50 {
		runtime.Gosched()
	}
	close(d.letGo)
	all.Wait()
	want(t, d.steps, "create 1.journal", "write 1.journal", "sync 1.journal", "sync w1", "write 1.journal", "sync 1.journal")
	if found := onDisk(t, s); len(found) != 51 {
		t.Errorf("%d entries are on disk", len(found))
	}
}

// flushing says that the first entry is on its way to the disk.
func (s *Spool) flushing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live) == 1 && s.open.puts == 0
}

// joined is how many wait for one flush.
func (s *Spool) joined() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open.puts
}

// Whichever step of an adoption fails, undone or done: the next one completes it,
// every entry is handed out once in this process, and none is lost.
func TestAnAdoptionThatFailsLosesNothing(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(at, applied), func(t *testing.T) {
				root := t.TempDir()
				s, d := openFaulty(t, root)
				leave(t, journal("a", "b"), root, "w2", "1.journal")
				leave(t, journal("c"), root, "w3", "1.journal")
				leave(t, journal("d")[:50], root, "w3", "2.journal")
				d.arm(at, applied, syscall.EIO)
				first, err := s.Adopt()
				if failed := len(d.steps) >= at; failed != errors.Is(err, syscall.EIO) {
					t.Fatalf("steps %q, error %v", d.steps, err)
				}
				d.arm(0, false, nil)
				second, _ := s.Adopt() // the cut journal is a leftover
				names := append(check(t, first), check(t, second)...)
				if len(names) != 3 {
					t.Fatalf("handed out %q", names)
				}
				for _, name := range []string{"a", "b", "c"} {
					if !strings.Contains(strings.Join(names, " "), name) {
						t.Errorf("%s is lost", name)
					}
				}
				want(t, onDisk(t, s), "a", "b", "c")
				want(t, files(t, root), "w1", "w3")
			})
		}
	}
}

// stuckDisk makes no file until it is let go.
type stuckDisk struct {
	*faultDisk
	letGo chan struct{}
}

func (d stuckDisk) create(path string) (file, error) {
	<-d.letGo
	return d.faultDisk.create(path)
}

// The lock may not go while a Put is under way: a sibling would take the
// directory from under it.
func TestCloseWaitsForAPut(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := stuckDisk{faultDisk: &faultDisk{}, letGo: make(chan struct{})}
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

// Nothing depends on a removal but what is adopted in vain.
func TestARemovalThatFailsEndsTheJournal(t *testing.T) {
	root := t.TempDir()
	s, d := openFaulty(t, root)
	put(t, s, "a", "b")
	d.arm(1, false, syscall.EIO)
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "c")
	want(t, onDisk(t, s), "b", "c")
	want(t, files(t, s.dir), "2.journal")
}

// A removal that meets a busy disk is written by whoever keeps it busy. No Put may
// come after it, and then the entry would stand there until the worker ends.
func TestARemovalBesideAWriteWaitsForNoOther(t *testing.T) {
	d := stuckDisk{faultDisk: &faultDisk{}, letGo: make(chan struct{}, 1)}
	s, err := openOn(d, t.TempDir(), "w1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.letGo <- struct{}{}
	put(t, s, "a")
	s.limit = 0 // the next Put begins a journal
	var other sync.WaitGroup
	other.Go(func() { put(t, s, "b") })
	for s.entries() < 2 || s.joined() > 0 {
		runtime.Gosched()
	}
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	close(d.letGo)
	other.Wait()
	want(t, onDisk(t, s), "b")
}

func (s *Spool) entries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
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
