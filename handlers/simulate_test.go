package handlers_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// families are the simulations among which TestSimulate goes round: seed n runs the
// n-th. A run of consents takes twice as long as the others.
var families = []struct {
	name string
	run  func(t *testing.T, seed uint64, h *history)
}{
	{"refresh", simulateAnyRule},
	{"chains", simulateChains},
	{"refresh", simulateAnyRule},
	{"consents", simulateConsents},
}

// simulateAnyRule is a refresh under the rule that the seed's turn it is.
func simulateAnyRule(t *testing.T, seed uint64, h *history) {
	names := slices.Sorted(maps.Keys(rules))
	simulate(t, seed, rules[names[seed/2%uint64(len(names))]], h)
}

// simulateSeed runs a seed in a bubble of its own.
func simulateSeed(t *testing.T, seed uint64, h *history) {
	synctest.Test(t, func(t *testing.T) {
		f := families[seed%uint64(len(families))]
		h.tell("seed %d: %s", seed, f.name)
		f.run(t, seed, h)
	})
}

// TestSimulate runs as many seeds as it has time for, on all processors, and stops at
// the first that fails, whose history it prints (make simulate).
//
//	REGRANT_SIMULATE=2m    for how long
//	REGRANT_STEPS=n        for how many steps; as many as there is time for
//	REGRANT_FROM=n         the first seed; 1
//	REGRANT_SEED=n         this seed alone, with its history
func TestSimulate(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("REGRANT_SIMULATE"))
	if err != nil {
		t.Skip("make simulate sets REGRANT_SIMULATE to the time that it may take")
	}
	if seed, err := strconv.ParseUint(os.Getenv("REGRANT_SEED"), 10, 64); err == nil {
		simulateSeed(t, seed, newHistory(os.Stdout))
		return
	}
	debug.SetGCPercent(400) // each run is small, and what it leaves is thrown away whole
	f := &fleetOfSeeds{end: time.Now().Add(d), enough: number("REGRANT_STEPS", math.MaxInt), total: newHistory(nil)}
	f.next.Store(uint64(number("REGRANT_FROM", 1)))
	f.run(t)
	f.print(d)
	if seed := f.failed.Load(); seed > 0 {
		fmt.Printf("seed %d fails; its history:\n", seed)
		simulateSeed(t, seed, newHistory(os.Stdout))
	}
}

// number is what the environment says, or as usual.
func number(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// fleetOfSeeds hands out seeds until its time is over, it has made enough steps, or a
// seed fails.
type fleetOfSeeds struct {
	end          time.Time
	enough       int
	next, failed atomic.Uint64
	began        time.Time

	mu    sync.Mutex
	runs  int
	total *history
}

// lanes is how many seeds run at once.
const lanes = 2

func (f *fleetOfSeeds) run(t *testing.T) {
	f.began = time.Now()
	t.Run("lanes", func(t *testing.T) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				f.lane(t)
			})
		}
	})
}

// lane runs seeds one after the other. A fatal one ends it.
func (f *fleetOfSeeds) lane(t *testing.T) {
	for !f.over() {
		f.one(t, f.next.Add(1)-1)
	}
}

func (f *fleetOfSeeds) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed.Load() > 0 || f.total.steps >= f.enough || !time.Now().Before(f.end)
}

func (f *fleetOfSeeds) one(t *testing.T, seed uint64) {
	h := newHistory(nil)
	defer func() {
		if t.Failed() {
			f.failed.CompareAndSwap(0, seed)
		}
		f.add(h)
	}()
	simulateSeed(t, seed, h)
}

func (f *fleetOfSeeds) add(h *history) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs++
	f.total.steps += h.steps
	for what, n := range h.struck {
		f.total.struck[what] += n
	}
}

// print says what was done, and what went wrong how often on the way.
func (f *fleetOfSeeds) print(d time.Duration) {
	var kinds []string
	crashes, pauses := 0, 0
	for _, what := range slices.Sorted(maps.Keys(f.total.struck)) {
		switch n := f.total.struck[what]; {
		case strings.HasPrefix(what, "crash at "):
			crashes += n
		case strings.HasPrefix(what, "pause at "):
			pauses += n
		}
		kinds = append(kinds, fmt.Sprintf("  %8d  %s", f.total.struck[what], what))
	}
	took := time.Since(f.began)
	if testing.Verbose() {
		fmt.Println(strings.Join(kinds, "\n"))
	}
	fmt.Printf("simulated: %d seeds, %d steps in %v, %.2f million a minute; %d crashes, %d long pauses\n",
		f.runs, f.total.steps, took.Round(time.Second), float64(f.total.steps)/took.Minutes()/1e6, crashes, pauses)
}

// TestASeedsHistoryIsTheSameToTheByte: else a failing seed would tell nothing.
func TestASeedsHistoryIsTheSameToTheByte(t *testing.T) {
	for seed := range uint64(40) {
		var first, second bytes.Buffer
		simulateSeed(t, seed, newHistory(&first))
		simulateSeed(t, seed, newHistory(&second))
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("seed %d has two histories:\n%s\n%s", seed, &first, &second)
		}
	}
}
