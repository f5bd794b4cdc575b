package limits_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
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
		time.Sleep(100 * time.Millisecond) // good answers are gathered for so long
		synctest.Wait()
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
			time.Sleep(time.Duration(dice.IntN(4)) * time.Second) // what is gathered is told in the same grain
		}
	})
}

// TestGoodAnswersCostOneExchange: ten thousand in a storm are told together, and a
// dead one takes with it what came before.
func TestGoodAnswersCostOneExchange(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		one, two := limits.NewTally(all[0]), limits.NewTally(all[1])
		one.Count(w.Context(), "op", "L0", true)
		synctest.Wait() // the workers' announcements of this moment are through
		w.called()
		for i := range 400 {
			one.Count(w.Context(), "op", fmt.Sprint("L", i), false)
		}
		if n := w.called(); n != 0 {
			w.Errorf("%d exchanges while answers were good", n)
		}
		if dead, answers := one.Count(w.Context(), "op", "L9", true); dead != 1 || answers != 402 {
			w.Errorf("%d dead of %d, want 1 of 402: L0 works again", dead, answers)
		}
		one.Count(w.Context(), "op", "L9", false)
		time.Sleep(time.Second)
		if n := w.called(); n != 2 {
			w.Errorf("%d exchanges for a dead grant and what followed", n)
		}
		if dead, answers := two.Count(w.Context(), "op", "L1", true); dead != 1 || answers != 404 {
			w.Errorf("the other worker: %d dead of %d, want 1 of 404", dead, answers)
		}
	})
}

func TestWhatIsGatheredIsToldAtTheEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		all := w.workers(2)
		one, two := limits.NewTally(all[0]), limits.NewTally(all[1])
		one.Count(w.Context(), "op", "L0", false)
		all[0].Close()
		if dead, answers := two.Count(w.Context(), "op", "L1", true); dead != 1 || answers != 2 {
			w.Errorf("%d dead of %d, want 1 of 2", dead, answers)
		}
	})
}

// cutOff is a worker that never reached Redis.
func cutOff(w *world) *limits.Limiter {
	w.reach(false, "alone")
	return w.worker("alone")
}
