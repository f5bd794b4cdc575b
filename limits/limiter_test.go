package limits_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/limits"
)

// tenth is a rounding error's worth: the buckets count in floating point.
const tenth = 0.1

var ten = limits.Rate{Count: 10, Per: time.Second, Burst: 8}

// keeps fails where more than a burst was granted beyond the rate, or much less
// than the rate.
func (w *world) keeps(grants []time.Time, r limits.Rate, d time.Duration, part float64) {
	w.Helper()
	worst, want := excess(grants, r), d.Seconds()*float64(r.Count)/r.Per.Seconds()
	if worst > float64(r.Burst)+tenth {
		w.Errorf("%.2f granted beyond the rate, the burst is %d", worst, r.Burst)
	}
	if float64(len(grants)) < part*want {
		w.Errorf("%d granted in %v, the rate gives %.0f", len(grants), d, want)
	}
	w.Logf("%d granted in %v, at worst %.2f beyond the rate", len(grants), d, worst)
}

func TestAFleetKeepsToOneRate(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(4)
		w.demand(all, ten, time.Minute)
		w.keeps(w.granted(), ten, time.Minute, 0.95)
	})
}

// TestRedisGoesAndComesBack: neither the change to own shares nor the way back
// costs a second burst, whatever Redis still knows.
func TestRedisGoesAndComesBack(t *testing.T) {
	for name, forgets := range map[string]bool{"it was restarted": true, "it was not reachable": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				all := w.workers(4)
				go func() {
					for range 3 {
						time.Sleep(20 * time.Second)
						w.reach(false)
						time.Sleep(20*time.Second + 123*time.Millisecond)
						if forgets {
							w.server.FlushAll()
						}
						w.reach(true)
					}
				}()
				w.demand(all, ten, 2*time.Minute)
				w.keeps(w.granted(), ten, 2*time.Minute, 0.85)
				synctest.Wait()
			})
		})
	}
}

// TestAShortAbsenceThatSomeDidNotNotice: who did not notice joins the others.
func TestAShortAbsenceThatSomeDidNotNotice(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(4)
		w.reach(false)
		for _, l := range all[:2] {
			if _, err := l.Take(w.Context(), "op", ten); err != nil {
				w.Fatal(err)
			}
		}
		go func() {
			time.Sleep(2500 * time.Millisecond) // the others are idle meanwhile
			w.reach(true)
		}()
		w.demand(all[:2], ten, 4*time.Second)
		w.demand(all, ten, 30*time.Second)
		w.keeps(w.granted(), ten, 34*time.Second, 0.7)
	})
}

// TestOneWorkerWithoutRedis: what is not promised stays within what is said of it.
func TestOneWorkerWithoutRedis(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(4)
		w.reach(false, "worker-0")
		w.demand(all, ten, time.Minute)
		grants := w.granted()
		more := ten
		more.Count = ten.Count + ten.Count/4 + 1
		if worst := excess(grants, more); worst > float64(ten.Burst)+2+tenth {
			w.Errorf("%.2f granted beyond the rate and a share", worst)
		}
	})
}

func TestWithoutRedisFromTheBeginningAFleetIsAssumed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reach(false)
		var all []*limits.Limiter
		for i := range 4 {
			all = append(all, w.worker(fmt.Sprint("worker-", i)))
		}
		w.demand(all, ten, time.Minute)
		w.keeps(w.granted(), ten, time.Minute, 0.95)
	})
}

func TestAPauseIsTheFleets(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(4)
		all[0].Pause(w.Context(), "op", time.Now().Add(time.Minute))
		all[0].Pause(w.Context(), "op", time.Now().Add(time.Second)) // never shorter
		all[1].Pause(w.Context(), "op", time.Now().Add(time.Second))
		began := time.Now()
		w.demand(all, ten, 2*time.Minute)
		grants := w.granted()
		if len(grants) == 0 || grants[0].Sub(began) < time.Minute {
			w.Fatal("granted during the pause")
		}
		w.keeps(grants, ten, time.Minute, 0.7)
		if wait, _ := all[2].Take(w.Context(), "bank", ten); wait != 0 {
			w.Error("another app is paused")
		}
	})
}

func TestAPauseHoldsWithoutALimit(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		if wait, _ := all[0].Take(w.Context(), "op", limits.Rate{}); wait != 0 {
			w.Fatal("limited without a limit")
		}
		synctest.Wait() // the workers' announcements of this moment are through
		w.called()
		for range 1000 {
			if wait, _ := all[0].Take(w.Context(), "op", limits.Rate{}); wait != 0 {
				w.Fatal("limited without a limit")
			}
		}
		if n := w.called(); n != 0 {
			w.Errorf("%d exchanges to hear again that there is no pause", n)
		}
		_, _ = all[1].Take(w.Context(), "op", limits.Rate{})
		all[0].Pause(w.Context(), "op", time.Now().Add(time.Minute))
		time.Sleep(100 * time.Millisecond) // what the other believes for so long
		for _, l := range all {
			if wait, _ := l.Take(w.Context(), "op", limits.Rate{}); wait < 59*time.Second {
				w.Errorf("to come back in %v", wait)
			}
		}
		time.Sleep(time.Minute)
		for _, l := range all {
			if wait, _ := l.Take(w.Context(), "op", limits.Rate{}); wait != 0 {
				w.Errorf("after the pause: %v", wait)
			}
		}
	})
}

func TestAPauseHoldsWithoutRedisAndIsToldWhenItIsBack(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		w.reach(false)
		all[0].Pause(w.Context(), "op", time.Now().Add(2*time.Minute))
		all[0].Pause(w.Context(), "op", time.Now().Add(time.Second)) // never shorter
		if wait, _ := all[0].Take(w.Context(), "op", ten); wait < 119*time.Second {
			w.Fatalf("to come back in %v", wait)
		}
		w.reach(true)
		time.Sleep(time.Minute)
		if wait, _ := all[1].Take(w.Context(), "op", ten); wait < 59*time.Second-normal.LockRenew {
			w.Fatalf("the other worker: to come back in %v", wait)
		}
	})
}

// TestThoseThatWaitComeOneAfterTheOther, and do not ask Redis in vain meanwhile.
func TestThoseThatWaitComeOneAfterTheOther(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.workers(1)[0]
		r := limits.Rate{Count: 10, Per: time.Second}
		if wait, _ := l.Take(w.Context(), "op", r); wait != 0 {
			w.Fatal("denied at once")
		}
		w.called()
		var last time.Duration
		for i := range 1000 {
			wait, err := l.Take(w.Context(), "op", r)
			if err != nil || wait < last {
				w.Fatalf("caller %d waits %v, the one before %v: %v", i, wait, last, err)
			}
			last = wait
		}
		if last < 29*time.Second || last > 31*time.Second {
			w.Errorf("the last waits %v", last)
		}
		if n := w.called(); n > 3 {
			w.Errorf("%d exchanges with Redis", n)
		}
	})
}

func TestWorkersAreCounted(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(3)
		if n := all[0].Workers(); n != 3 {
			w.Fatalf("%d workers", n)
		}
		all[2].Close()
		time.Sleep(normal.Heartbeat)
		synctest.Wait()
		if n := all[0].Workers(); n != 2 {
			w.Fatalf("%d workers after one left", n)
		}
		w.reach(false, "worker-1") // dies without a word
		time.Sleep(4 * normal.Heartbeat)
		synctest.Wait()
		if n := all[0].Workers(); n != 1 {
			w.Fatalf("%d workers after one died", n)
		}
		w.reach(false, "worker-0")
		time.Sleep(time.Minute)
		if n := all[1].Workers(); n != 2 || all[1].Available() {
			w.Fatalf("without Redis %d workers are remembered", n)
		}
	})
}

func TestRedisThatForgotDoesNotMakeAWorkerAlone(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(4)
		w.reach(false)
		time.Sleep(10 * time.Second)
		w.server.FlushAll()
		w.reach(true, "worker-0")
		time.Sleep(normal.LockRenew)
		synctest.Wait()
		if n := all[0].Workers(); n != 4 {
			w.Fatalf("the first that came back counts %d", n)
		}
	})
}

func TestAnEndedContextTakesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.workers(1)[0]
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		if _, err := l.Take(ctx, "op", ten); !errors.Is(err, context.Canceled) {
			w.Errorf("Take: %v", err)
		}
		if !l.Available() {
			w.Error("a caller that gave up is no word on Redis")
		}
	})
}

func TestKeysBeginWithThePrefix(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.workers(1)[0]
		if _, err := l.Take(w.Context(), "op", ten); err != nil {
			w.Fatal(err)
		}
		l.Pause(w.Context(), "op", time.Now().Add(time.Minute))
		limits.NewTally(l).Count(w.Context(), "op", "L1", true)
		keys := w.server.Keys()
		for _, key := range keys {
			if !strings.HasPrefix(key, "regrant:") {
				w.Errorf("key %q", key)
			}
		}
		if len(keys) != 5 {
			w.Errorf("keys %v", keys)
		}
	})
}
