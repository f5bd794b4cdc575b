package bus

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A goroutine that has done its work does the next; no more wait than are to be kept.
func TestACrewKeepsItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(2)
		var done atomic.Int64
		hold := make(chan struct{})
		for range 5 {
			c.run(func() { <-hold; done.Add(1) })
		}
		close(hold)
		synctest.Wait()
		if c.idle != 2 || done.Load() != 5 {
			t.Fatalf("%d idle after %d handlers", c.idle, done.Load())
		}
		hold = make(chan struct{})
		for range 3 {
			c.run(func() { <-hold; done.Add(1) })
		}
		synctest.Wait()
		if c.idle != 0 {
			t.Errorf("%d idle while three are at work", c.idle)
		}
		close(hold)
		synctest.Wait()
		c.end()
		if done.Load() != 8 {
			t.Errorf("%d handlers were done", done.Load())
		}
	})
}

func TestTheEndOfACrewWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(3)
		c.run(func() {})
		synctest.Wait()
		hold, ended := make(chan struct{}), atomic.Bool{}
		c.run(func() { <-hold })
		go func() { c.end(); ended.Store(true) }()
		synctest.Wait()
		if ended.Load() {
			t.Error("it did not wait for what is at work")
		}
		close(hold)
		synctest.Wait()
		if !ended.Load() {
			t.Error("it waits for nothing")
		}
	})
}

// BenchmarkCrew is a handler with a deep stack, on a goroutine of its own or one that
// has had such a handler before.
func BenchmarkCrew(b *testing.B) {
	each := func(b *testing.B, run func(func())) {
		b.ReportAllocs()
		done := make(chan struct{})
		for b.Loop() {
			run(func() { deep(40); done <- struct{}{} })
			<-done
		}
	}
	b.Run("kept", func(b *testing.B) {
		c := newCrew(1)
		defer c.end()
		each(b, c.run)
	})
	b.Run("new", func(b *testing.B) { each(b, func(do func()) { go do() }) })
}

//go:noinline
func deep(n int) (sum byte) {
	var frame [512]byte
	if n > 0 {
		frame[n] = deep(n - 1)
	}
	return frame[n] + 1
}
