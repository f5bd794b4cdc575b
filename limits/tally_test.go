package limits_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/regrant/regrant/limits"
)

func TestAFleetCountsTogether(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		one, two := limits.NewTally(all[0]), limits.NewTally(all[1])
		for i := range 30 {
			one.Count(w.Context(), "op", fmt.Sprint("one-", i), i%3 == 0)
			two.Count(w.Context(), "op", fmt.Sprint("two-", i), i%3 == 0)
		}
		dead, answers := two.Count(w.Context(), "op", "two-0", true)
		if dead != 20 || answers != 60 {
			w.Errorf("%d dead of %d, want 20 of 60", dead, answers)
		}
		if dead, answers := one.Count(w.Context(), "bank", "L1", false); dead != 0 || answers != 1 {
			w.Errorf("another app: %d dead of %d", dead, answers)
		}
	})
}

func TestALinkIsDeadOnceAndNotForEver(t *testing.T) {
	inBubble(t, func(w *world) {
		tally := limits.NewTally(w.workers(1)[0])
		for range 10 {
			if dead, all := tally.Count(w.Context(), "op", "L1", true); dead != 1 || all != 1 {
				w.Fatalf("%d dead of %d", dead, all)
			}
		}
		if dead, all := tally.Count(w.Context(), "op", "L1", false); dead != 0 || all != 2 {
			w.Errorf("after it worked: %d dead of %d", dead, all)
		}
		tally.Count(w.Context(), "op", "L2", true)
		time.Sleep(6 * time.Minute)
		if dead, all := tally.Count(w.Context(), "op", "L3", true); dead != 1 || all != 1 {
			w.Errorf("after the window: %d dead of %d", dead, all)
		}
	})
}

func TestWithoutRedisAWorkerCountsItsOwn(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		one, two := limits.NewTally(all[0]), limits.NewTally(all[1])
		for i := range 20 {
			one.Count(w.Context(), "op", fmt.Sprint("L", i), true)
		}
		w.reach(false)
		if dead, n := one.Count(w.Context(), "op", "L20", true); dead != 21 || n != 21 {
			w.Errorf("the first after Redis went: %d dead of %d, want all that this worker saw", dead, n)
		}
		if dead, n := two.Count(w.Context(), "op", "L20", true); dead != 1 || n != 1 {
			w.Errorf("the other worker: %d dead of %d", dead, n)
		}
	})
}

// TestTheScriptCountsAsTheProcessDoes: with one worker both must agree on anything.
func TestTheScriptCountsAsTheProcessDoes(t *testing.T) {
	inBubble(t, func(w *world) {
		l := w.workers(1)[0]
		together, alone := limits.NewTally(l), limits.NewTally(cutOff(w))
		dice := rand.New(rand.NewPCG(1, 2))
		for i := range 2000 {
			link, dead := fmt.Sprint("L", dice.IntN(50)), dice.IntN(3) == 0
			d1, n1 := together.Count(w.Context(), "op", link, dead)
			d2, n2 := alone.Count(w.Context(), "op", link, dead)
			if d1 != d2 || n1 != n2 {
				w.Fatalf("answer %d: with Redis %d of %d, without %d of %d", i, d1, n1, d2, n2)
			}
			time.Sleep(time.Duration(dice.IntN(4000)) * time.Millisecond)
		}
	})
}

// cutOff is a worker that never reached Redis.
func cutOff(w *world) *limits.Limiter {
	w.reach(false, "alone")
	return w.worker("alone")
}
