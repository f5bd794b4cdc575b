package kvstore

import (
	"runtime"
	"strconv"
	"testing"
)

func TestSeenKnowsEarlierRounds(t *testing.T) {
	s := newSeen()
	for round, step := range []int{3, 1, 1} { // every third, then all of them, twice
		for i := 0; i < 4*seenChunk; i += step {
			known := round == 2 || round == 1 && i%3 == 0
			if s.add(strconv.Itoa(i)) == known {
				t.Fatalf("round %d: key %d is known: %v", round, i, !known)
			}
		}
		s.settle()
	}
}

// TestSeenIsSmall bounds what a walk holds of each key.
func TestSeenIsSmall(t *testing.T) {
	const keys = 20 * seenChunk
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newSeen()
	for i := range keys {
		s.add(strconv.Itoa(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / keys; each > 12 {
		t.Errorf("a key takes %.0f bytes, want at most 12", each)
	}
	runtime.KeepAlive(s.now)
}
