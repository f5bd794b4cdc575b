package nemesis

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var fleet = Fleet{Workers: 8, Providers: []string{"alpha", "bravo"}, LockTTL: time.Second}

func TestASeedIsASchedule(t *testing.T) {
	one := Schedule(7, time.Minute, fleet)
	if !reflect.DeepEqual(one, Schedule(7, time.Minute, fleet)) {
		t.Error("the same seed gave another schedule")
	}
	if reflect.DeepEqual(one, Schedule(8, time.Minute, fleet)) {
		t.Error("another seed gave the same schedule")
	}
}

func TestHalfAnHourHasEnoughOfEverything(t *testing.T) {
	for seed := range uint64(20) {
		count, groups := map[Kind]int{}, map[string]int{}
		for _, a := range Schedule(seed, 30*time.Minute, fleet) {
			count[a.Kind]++
			groups[strings.SplitN(string(a.Kind), "-", 2)[0]]++
		}
		for kind, least := range map[Kind]int{WorkerKill: 300, WorkerPause: 100} {
			if count[kind] < least {
				t.Errorf("seed %d: %d times %s", seed, count[kind], kind)
			}
		}
		for _, server := range []string{"nats", "redis"} {
			if groups[server] < 50 {
				t.Errorf("seed %d: %d faults of %s", seed, groups[server], server)
			}
		}
		for _, r := range rates {
			if count[r.kind] < 15 {
				t.Errorf("seed %d: %d times %s", seed, count[r.kind], r.kind)
			}
		}
	}
}

func TestAPauseLastsAFewLockTTLs(t *testing.T) {
	for _, a := range Schedule(1, 10*time.Minute, fleet) {
		if a.Kind == WorkerPause && (a.For < fleet.LockTTL || a.For > 5*fleet.LockTTL) {
			t.Errorf("%v", a)
		}
		if a.Kind == WorkerClock && a.Amount.Abs() > maxClock {
			t.Errorf("%v by %v", a, a.Amount)
		}
	}
}

func TestClocksAreWrongBothWays(t *testing.T) {
	var ahead, behind int
	for _, a := range Schedule(1, 10*time.Minute, fleet) {
		switch {
		case a.Amount > time.Second && a.Kind == WorkerClock:
			ahead++
		case a.Amount < -time.Second:
			behind++
		}
	}
	if ahead == 0 || behind == 0 {
		t.Errorf("%d ahead, %d behind", ahead, behind)
	}
}

func TestItActsOnTimeAndTakesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		note := func(what string) error {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, what)
			return nil
		}
		n := Nemesis{
			Acts: map[Kind]Act{Cut: func(a Action) (func() error, error) {
				return func() error { return note("undo " + a.Target) }, note("do " + a.Target)
			}},
			Tell: func(d Done) {
				if d.End.Sub(d.Begin) != d.For || d.Err != nil {
					t.Errorf("%v lasted %v, %v", d.Action, d.End.Sub(d.Begin), d.Err)
				}
			},
		}
		n.Run(t.Context(), []Action{
			{Kind: Cut, Target: "a", At: time.Second, For: 3 * time.Second},
			{Kind: Cut, Target: "b", At: 2 * time.Second, For: time.Second},
			{Kind: Cut, Target: "a", At: 3 * time.Second, For: time.Second}, // waits for the first
			{Kind: Delay, Target: "a", At: 3 * time.Second},                 // nobody does it
		})
		if want := []string{"do a", "do b", "undo b", "undo a", "do a", "undo a"}; !slices.Equal(log, want) {
			t.Errorf("%q", log)
		}
	})
}

func TestTheEndTakesEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, begun atomic.Int64
		n := Nemesis{
			Acts: map[Kind]Act{Cut: func(Action) (func() error, error) {
				open.Add(1)
				begun.Add(1)
				return func() error { open.Add(-1); return nil }, nil
			}},
			Tell: func(Done) {},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		n.Run(ctx, []Action{
			{Kind: Cut, Target: "a", At: time.Second, For: time.Hour},
			{Kind: Cut, Target: "a", At: 2 * time.Second, For: time.Hour},
			{Kind: Cut, Target: "b", At: time.Hour},
		})
		if open.Load() != 0 || begun.Load() != 1 {
			t.Errorf("%d begun, %d open", begun.Load(), open.Load())
		}
	})
}
