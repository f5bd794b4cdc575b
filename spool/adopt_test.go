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
	leave(t, journal("b"), root, "w2", "1.journal")
	s := open(t, root, "w1")
	want(t, adopt(t, s)) // both live
	dead.kill()
	want(t, adopt(t, s), "b")
	want(t, files(t, root), "w1", "w3")
	want(t, files(t, s.dir), "1.journal")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, adopt(t, alive), "b") // a dead adopter's adoptions are orphans again
}

// Every state that a crash of the writer or of an adopter can leave.
func TestWhatACrashLeavesIsAdoptedWhole(t *testing.T) {
	for name, state := range map[string]map[string]string{ // files, and the entries put or removed (-) in them
		"written":                                   {"w1/1.journal": "a"},
		"put twice":                                 {"w1/1.journal": "a a"},
		"put, removed and put again":                {"w1/1.journal": "a -a a"},
		"others removed":                            {"w1/1.journal": "b a c -b -c"},
		"replaced, the old one not removed":         {"w1/1.journal": "b a", "w1/2.journal": "a b -b"},
		"created, nothing written":                  {"w1/1.journal": "a", "w1/2.journal": ""},
		"the tenth is later than the second":        {"w1/2.journal": "a b", "w1/10.journal": "-b"},
		"sibling":                                   {"w2/lock": "", "w2/1.journal": "a"},
		"adopter: written, theirs remains":          {"w1/1.journal": "a", "w2/lock": "", "w2/3.journal": "a"},
		"adopter: theirs removed, lock not":         {"w1/1.journal": "a", "w2/lock": ""},
		"adopter: lock removed, not the rest":       {"w1/1.journal": "a", "w2/": ""},
		"sibling: made its directory, not its lock": {"w2/": "", "w3/1.journal": "a"},
		"adopter died in turn: three copies":        {"w1/1.journal": "a", "w2/lock": "", "w2/1.journal": "a", "w3/9.journal": "a"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, entries := range state {
				switch path := filepath.Join(root, file); {
				case strings.HasSuffix(file, "/"):
					if err := os.MkdirAll(path, 0o700); err != nil {
						t.Fatal(err)
					}
				default:
					leave(t, journal(strings.Fields(entries)...), path)
				}
			}
			s := open(t, root, "w1")
			want(t, adopt(t, s), "a")
			want(t, adopt(t, s))
			want(t, files(t, root), "w1")
			if left := files(t, s.dir); len(left) != 1 {
				t.Fatalf("the worker has %q", left)
			}
		})
	}
}

func TestDamageIsToldOfOnceAndNeverDeleted(t *testing.T) {
	whole, good := journal("a"), journal("good")
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	torn := map[string][]byte{
		"damaged after": append(bytes.Clone(good), flipped...), "damaged before": append(bytes.Clone(flipped), good...),
		"foreign after": append(bytes.Clone(good), "hello"...), "foreign before": append([]byte("hello "+magic), good...),
		"zeros": append(bytes.Clone(good), make([]byte, 100)...),
	}
	for _, n := range []int{1, headerSize - 1, headerSize, headerSize + 1, len(whole) / 2, len(whole) - 1} {
		torn[fmt.Sprint("cut at ", n)] = append(bytes.Clone(good), whole[:n]...)
	}
	for what, data := range torn {
		for _, worker := range []string{"w1", "w2"} {
			t.Run(what+" "+worker, func(t *testing.T) {
				root := t.TempDir()
				path := leave(t, data, root, worker, "1.journal")
				leftover(t, data, root, path, path+tornSuffix)
			})
		}
	}
	for _, file := range []string{"w1/notes.txt", "w2/notes.txt", "w1/a.b.journal", "w2/01.journal", "w1/.tmp"} {
		t.Run(file, func(t *testing.T) {
			root := t.TempDir()
			path := leave(t, whole, root, file)
			leave(t, good, filepath.Dir(path), "1.journal")
			leftover(t, whole, root, path, path)
		})
	}
}

func leftover(t *testing.T, data []byte, root, path, stays string) {
	s := open(t, root, "w1")
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, path)
	want(t, check(t, entries), "good") // it does not hold up the others
	want(t, adopt(t, s))               // nor alarm every minute
	if kept, err := os.ReadFile(stays); err != nil || !bytes.Equal(kept, data) {
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
	other := leave(t, record{kind: kindPut, name: "a", data: []byte("other")}.append(nil), root, "w2", "1.journal")
	s := open(t, root, "w1")
	put(t, s, "a")
	s.Release("a")
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, other)
	want(t, check(t, entries), "a")
	if !exists(other + tornSuffix) {
		t.Fatal("one of the two is gone")
	}
}

func TestSubdirectoriesAndLinksAreLeftAlone(t *testing.T) {
	root := t.TempDir()
	target := leave(t, journal("a"), t.TempDir(), "elsewhere")
	s := open(t, root, "w1")
	for _, err := range []error{
		os.Symlink(target, filepath.Join(s.dir, "1.journal")),
		os.MkdirAll(filepath.Join(root, "w2", "2.journal"), 0o700),
		os.Mkdir(filepath.Join(root, ".hidden"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.Adopt()
	wantAdvice(t, err, ErrLeftover, "1.journal", "2.journal")
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
		leave(t, journal(name), root, fmt.Sprint("dead", n%6), journalName(uint64(n)))
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
