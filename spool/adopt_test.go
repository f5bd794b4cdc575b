package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestADeadSiblingsEntriesBecomeOurs(t *testing.T) {
	root := t.TempDir()
	dead := start(t, "hold", root, "w2")
	alive := open(t, root, "w3")
	put(t, alive, "c")
	leave(t, frame(payload("b")), root, "w2", "b.sealed")
	s := open(t, root, "w1")
	want(t, adopt(t, s)) // both live
	dead.kill()
	want(t, adopt(t, s), "b")
	want(t, files(t, root), "w1", "w3")
	want(t, files(t, s.dir), "b.sealed")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, adopt(t, alive), "b") // a dead adopter's adoptions are orphans again
}

// Every state that a crash of the writer or of an adopter can leave.
func TestWhatACrashLeavesIsAdoptedWhole(t *testing.T) {
	whole := frame(payload("a"))
	for name, state := range map[string][]string{ // files, each holding the whole entry
		"renamed, directory not synced":                   {"w1/a.sealed"},
		"written, not renamed":                            {"w1/a.X.tmp"},
		"put twice, the second not renamed":               {"w1/a.sealed", "w1/a.X.tmp"},
		"put twice, none renamed":                         {"w1/a.X.tmp", "w1/a.Y.tmp"},
		"sibling: renamed":                                {"w2/lock", "w2/a.sealed"},
		"sibling: written, not renamed":                   {"w2/lock", "w2/a.X.tmp"},
		"adopter: moved, old directory not synced":        {"w1/a.sealed", "w2/lock", "w2/a.sealed"},
		"adopter: temporary rewritten, old one remains":   {"w1/a.sealed", "w2/lock", "w2/a.X.tmp"},
		"adopter: temporary rewritten, not renamed":       {"w1/a.Y.tmp", "w2/lock", "w2/a.X.tmp"},
		"adopter: emptied, lock not removed":              {"w1/a.sealed", "w2/lock"},
		"adopter: lock removed, directory not":            {"w1/a.sealed", "w2/"},
		"sibling: made its directory, not its lock":       {"w2/", "w3/a.sealed"},
		"adopter died in turn: three copies of one entry": {"w1/a.sealed", "w2/lock", "w2/a.sealed", "w3/a.X.tmp"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, file := range state {
				switch path := filepath.Join(root, file); {
				case strings.HasSuffix(file, "/"):
					if err := os.MkdirAll(path, 0o700); err != nil {
						t.Fatal(err)
					}
				case strings.HasSuffix(file, lockName):
					leave(t, []byte("1"), path)
				default:
					leave(t, whole, path)
				}
			}
			s := open(t, root, "w1")
			want(t, adopt(t, s), "a")
			want(t, adopt(t, s))
			want(t, files(t, s.dir), "a.sealed")
			want(t, files(t, root), "w1")
		})
	}
}

func TestTornFilesAreToldOfOnceAndNeverDeleted(t *testing.T) {
	whole := frame(payload("a"))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	torn := map[string][]byte{"damaged": damaged, "longer": append(bytes.Clone(whole), 0), "foreign": []byte("hello")}
	for _, n := range []int{0, 1, headerSize - 1, headerSize, headerSize + 1, len(whole) / 2, len(whole) - 1} {
		torn[fmt.Sprint("cut at ", n)] = whole[:n]
	}
	for what, data := range torn {
		for _, file := range []string{"w1/a.sealed", "w1/a.X.tmp", "w2/a.sealed", "w2/a.X.tmp"} {
			t.Run(what+" "+file, func(t *testing.T) { leftover(t, data, file) })
		}
	}
	for _, file := range []string{"w1/notes.txt", "w2/notes.txt", "w1/a.b.sealed", "w2/a.b.sealed", "w1/.tmp"} {
		t.Run(file, func(t *testing.T) { leftover(t, whole, file) })
	}
}

func leftover(t *testing.T, data []byte, file string) {
	root := t.TempDir()
	path := leave(t, data, root, file)
	leave(t, frame(payload("good")), filepath.Dir(path), "good.sealed")
	s := open(t, root, "w1")
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, path)
	want(t, check(t, entries), "good") // it does not hold up the others
	want(t, adopt(t, s))               // nor alarm every minute
	if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, data) {
		t.Fatalf("the leftover is now %q, %v", kept, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = open(t, root, "w1").Adopt(); !errors.Is(err, ErrLeftover) {
		t.Fatalf("the next life is not told: %v", err)
	}
}

func TestTwoEntriesOfOneNameAreBothKept(t *testing.T) {
	root := t.TempDir()
	other := leave(t, frame([]byte("other")), root, "w2", "a.sealed")
	leave(t, frame(payload("a")), root, "w1", "a.sealed")
	s := open(t, root, "w1")
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, other, "other content")
	want(t, check(t, entries), "a")
	if !exists(other) {
		t.Fatal("one of the two is gone")
	}
}

func TestSubdirectoriesAndLinksAreLeftAlone(t *testing.T) {
	root := t.TempDir()
	target := leave(t, frame(payload("a")), t.TempDir(), "elsewhere")
	s := open(t, root, "w1")
	for _, err := range []error{
		os.Symlink(target, filepath.Join(s.dir, "a.X.tmp")),
		os.MkdirAll(filepath.Join(root, "w2", "b.X.tmp"), 0o700),
		os.Mkdir(filepath.Join(root, ".hidden"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, "a.X.tmp", "b.X.tmp")
	want(t, check(t, entries))
	want(t, files(t, root), ".hidden", "w1", "w2")
}

// What Put has acknowledged is there after kill -9 at whatever moment that hits.
func TestKillNineLosesNoAcknowledgedEntry(t *testing.T) {
	root := t.TempDir()
	s := open(t, root, "w1")
	var acknowledged []string
	for life := range 5 {
		writer := start(t, "put", root, fmt.Sprint("dead", life))
		writer.goOn()
		for range 10 + life {
			acknowledged = append(acknowledged, writer.line())
		}
		writer.kill()
	}
	entries, err := s.Adopt()
	if err != nil && !errors.Is(err, ErrLeftover) { // a temporary file may be torn
		t.Fatal(err)
	}
	adopted := check(t, entries)
	for _, name := range acknowledged {
		if !slices.Contains(adopted, name) {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
}

func TestTwoProcessesAdoptEachOrphanOnce(t *testing.T) {
	root := t.TempDir()
	var orphans []string
	for n := range 60 {
		name := fmt.Sprint("o", n)
		leave(t, frame(payload(name)), root, fmt.Sprint("dead", n%6), name+".sealed")
		orphans = append(orphans, name)
	}
	adopters := []*child{start(t, "adopt", root, "w1"), start(t, "adopt", root, "w2")}
	for _, c := range adopters {
		c.goOn()
	}
	var adopted []string
	for _, c := range adopters {
		line := c.line()
		for ; !strings.HasPrefix(line, "done"); line = c.line() {
			adopted = append(adopted, line)
		}
		if line != "done <nil>" {
			t.Error(line)
		}
	}
	slices.Sort(adopted)
	slices.Sort(orphans)
	want(t, adopted, orphans...)
	want(t, files(t, root), "w1", "w2")
}

// A worker that comes and goes while two siblings take over whatever it leaves:
// its start never fails, and every entry is handed out once, to one of the three.
func TestAStartRacesWithItsAdoption(t *testing.T) {
	root := t.TempDir()
	handed := make(chan string, 1000)
	take := func(s *Spool) {
		entries, err := s.Adopt()
		if err != nil {
			t.Error(err)
		}
		for _, name := range check(t, entries) {
			handed <- name
			if err := s.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
	stop := make(chan struct{})
	var siblings sync.WaitGroup
	for _, worker := range []string{"w1", "w2"} {
		s := open(t, root, worker)
		siblings.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				take(s)
			}
		})
	}
	const lives, each = 25, 3
	for life := range lives {
		s, err := Open(root, "restarting")
		if err != nil {
			t.Errorf("start %d: %v", life, err)
			continue
		}
		take(s)
		for n := range each {
			put(t, s, fmt.Sprintf("%d-%d", life, n))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	siblings.Wait()
	close(handed)
	times := map[string]int{}
	for name := range handed {
		times[name]++
		if times[name] > 1 {
			t.Errorf("%s was handed out %d times", name, times[name])
		}
	}
	if len(times) != lives*each {
		t.Errorf("%d of %d entries were handed out", len(times), lives*each)
	}
}
