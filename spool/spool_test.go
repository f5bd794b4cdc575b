package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func TestAnEntryOutlivesItsWorker(t *testing.T) {
	root := t.TempDir()
	first := open(t, root, "w1")
	put(t, first, "a", "b")
	want(t, adopt(t, first)) // its own flights are under way
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, root, "w1")
	want(t, adopt(t, second), "a", "b")
}

func TestAnEntryIsHandedOutOnceUntilRemovedOrReleased(t *testing.T) {
	s := open(t, t.TempDir(), "w1")
	put(t, s, "a", "b")
	s.Release("a")
	want(t, adopt(t, s), "a")
	want(t, adopt(t, s))
	s.Release("a")
	want(t, adopt(t, s), "a")
	for range 2 { // what is not there is fine
		if err := s.Remove("a"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, adopt(t, s))
	want(t, onDisk(t, s), "b")
	put(t, s, "a")
	want(t, adopt(t, s))
}

// onDisk is what the next life would find.
func onDisk(t *testing.T, s *Spool) (names []string) {
	t.Helper()
	c, err := readAll(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(c.live))
}

// A journal does not grow for ever, and what is left in it goes on into the next.
func TestAFullJournalIsReplaced(t *testing.T) {
	s := open(t, t.TempDir(), "w1")
	put(t, s, "kept")
	big := make([]byte, minJournal/8)
	for n := range 30 {
		name := fmt.Sprint("b", n)
		if err := errors.Join(s.Put(name, big), s.Remove(name)); err != nil {
			t.Fatal(err)
		}
		want(t, onDisk(t, s), "kept")
	}
	left := files(t, s.dir)
	info, err := os.Stat(filepath.Join(s.dir, left[0]))
	if err != nil || len(left) != 1 || left[0] == "1.journal" || info.Size() > minJournal {
		t.Fatalf("%q, the first of %d bytes, %v", left, info.Size(), err)
	}
	s.Release("kept")
	want(t, adopt(t, s), "kept")
}

func TestPutAgainReplacesTheWhole(t *testing.T) {
	s := open(t, t.TempDir(), "w1")
	for _, text := range []string{"first and longer", "", "last"} {
		if err := s.Put("a", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s.Release("a")
	entries, err := s.Adopt()
	if err != nil || len(entries) != 1 || string(entries[0].Data) != "last" {
		t.Fatalf("adopted %q, %v", entries, err)
	}
}

func TestNobodyElseCanReadTheSpool(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made", "by", "us")
	put(t, open(t, root, "w1"), "a")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNamesThatAreNoNamesAreRefused(t *testing.T) {
	s := open(t, t.TempDir(), "w1")
	for _, name := range []string{"", ".", "..", "../w2/a", "a/b", "a.b", "a b", "ä", "a\x00", strings.Repeat("a", 65)} {
		if err := s.Put(name, nil); err == nil {
			t.Errorf("put %q", name)
		}
		if err := s.Remove(name); err == nil {
			t.Errorf("removed %q", name)
		}
	}
	for _, worker := range []string{"", ".", "..", ".lock", "a/b", "../a", "a b", strings.Repeat("a", 65)} {
		if _, err := Open(s.root, worker); err == nil {
			t.Errorf("opened for worker %q", worker)
		}
	}
	put(t, s, "lock", strings.Repeat("A", 64), "-_0")
	open(t, s.root, "host-1.example.com")
	if err := s.Put("big", make([]byte, maxData+1)); err == nil {
		t.Error("put more than an entry may have")
	}
	if err := s.Put("big", make([]byte, maxData)); err != nil {
		t.Error(err)
	}
}

func TestOneLiveProcessPerWorkerName(t *testing.T) {
	root := t.TempDir()
	holder := start(t, "hold", root, "w1")
	_, err := Open(root, "w1")
	wantAdvice(t, err, ErrLocked, fmt.Sprint(holder.cmd.Process.Pid), "another name")
	open(t, root, "w2")
	holder.kill()
	s := open(t, root, "w1")
	if _, err := Open(root, "w1"); !errors.Is(err, ErrLocked) { // within a process as well
		t.Fatalf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, root, "w1")
}

func TestAClosedSpoolTouchesNothing(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, "w1")
	put(t, s, "a")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, adoptErr := s.Adopt()
	for what, err := range map[string]error{"put": s.Put("b", nil), "remove": s.Remove("a"), "adopt": adoptErr} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	s.Release("a")
	want(t, files(t, root, "w1"), "1.journal")
}

// A process that is stopped while it holds the root's lock must not hold up the
// others for ever, nor keep their own entries from them.
func TestAStoppedNeighbourIsWaitedForBriefly(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, "w1")
	put(t, s, "a")
	s.Release("a")
	leave(t, journal("b"), root, "w2", "1.journal")
	synctest.Test(t, func(t *testing.T) {
		gate, err := passGate(root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(root, "w3")
		wantAdvice(t, err, ErrBusy, "fuser")
		entries, err := s.Adopt()
		wantAdvice(t, err, ErrBusy, "fuser")
		want(t, check(t, entries), "a")
		gate.release()
	})
	want(t, adopt(t, s), "b")
}

func TestConcurrentPutsAdoptsAndRemovesLoseAndDoubleNothing(t *testing.T) {
	s := open(t, t.TempDir(), "w1")
	var mu sync.Mutex
	handed := map[string]int{}
	var flights, janitors sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		janitors.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true // once more, for what was released last
				default:
				}
				entries, err := s.Adopt()
				if err != nil {
					t.Error(err)
				}
				for _, name := range check(t, entries) {
					mu.Lock()
					handed[name]++
					mu.Unlock()
				}
			}
		})
	}
	for f := range 4 {
		flights.Go(func() {
			for n := range 20 {
				name := fmt.Sprintf("%d-%d", f, n)
				if err := s.Put(name, payload(name)); err != nil {
					t.Error(err)
				}
				if n%2 == 0 {
					s.Release(name)
				} else if err := s.Remove(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	flights.Wait()
	close(stop)
	janitors.Wait()
	for name, times := range handed {
		if times != 1 {
			t.Errorf("%s was handed out %d times", name, times)
		}
	}
	if len(handed) != 40 {
		t.Errorf("%d of 40 released entries were handed out", len(handed))
	}
}

func wantAdvice(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not mention %q", err, part)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
