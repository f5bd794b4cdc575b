package handlers

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/regrant/regrant/events"
)

func linkNo(i int) events.Address {
	return events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprintf("01JD%022d", i)}
}

func TestWhatIsUsedIsNotForgotten(t *testing.T) {
	const size = 100
	f := newMemory(size)
	used := linkNo(0)
	f.set(used, fact{generation: 7})
	for i := 1; i < 10*size; i++ {
		f.set(linkNo(i), fact{generation: uint64(i)})
		if got := f.of(used); got.generation != 7 {
			t.Fatalf("after %d others: %+v of a link that was asked for each time", i, got)
		}
		if got := f.of(linkNo(max(0, i-size/8))); got == (fact{}) {
			t.Fatalf("after %d: one of the last %d is forgotten", i, size/8)
		}
		if f.len() > size {
			t.Fatalf("%d links are remembered, of at most %d", f.len(), size)
		}
	}
	if got := f.of(linkNo(1)); got != (fact{}) {
		t.Errorf("%+v of the first of %d, with room for %d", got, 10*size, size)
	}
}

// TestAMillionLinksFit bounds the bytes of a link: a worker with a million of them is
// to stay below 250 MB with everything else.
func TestAMillionLinksFit(t *testing.T) {
	const size = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	k := newKnown(size)
	for i := range 2 * size {
		k.learn(linkNo(i), fact{generation: 1, stored: 1, armed: 1})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / size; each > 70 {
		t.Errorf("a link takes %d bytes, want at most 70", each)
	}
	runtime.KeepAlive(k)
}

func TestANumberOutOfRangeIsNotRememberedAsAHigherOne(t *testing.T) {
	m, a := newMemory(2), linkNo(1)
	m.set(a, fact{generation: 1 << 40, stored: 1<<32 + 5, armed: 1<<32 - 1})
	if got, want := m.of(a), (fact{generation: 1<<32 - 1, stored: 1<<32 - 1, armed: 1<<32 - 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What is learned late, from a follower or another's old announcement, lowers nothing: a
// report that was stale stays so.
func TestWhatIsKnownIsNeverLowered(t *testing.T) {
	k, a := newKnown(10), linkNo(1)
	newest := fact{generation: 5, stored: 7, armed: 9}
	k.learn(a, newest)
	for _, older := range []fact{{}, {generation: 4}, {stored: 6}, {armed: 8}, {generation: 1, stored: 1, armed: 1}} {
		k.learn(a, older)
		if got := k.of(a); got != newest {
			t.Errorf("after %+v: %+v, want %+v", older, got, newest)
		}
	}
}
