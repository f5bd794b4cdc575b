package linkstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/regrant/regrant/links"
)

// workers is how many race each other.
const workers = 100

// race starts n calls as nearly at once as goroutines can and waits for all.
func race(n int, call func(worker int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	all.Wait()
}

func createRace(t *testing.T, s Stores) {
	ctx := bounded(t)
	errs := make([]error, workers)
	race(workers, func(i int) {
		l := Sample(address(1))
		l.User = fmt.Sprint("user of worker ", i)
		_, errs[i] = s.Store.Create(ctx, l)
	})
	winner := oneWinner(t, errs, links.ErrExists)
	if got, want := latest(t, s.Store, address(1)).Link.User, fmt.Sprint("user of worker ", winner); got != want {
		t.Errorf("stored %q, the winner wrote %q", got, want)
	}
}

// oneWinner returns the worker without an error, who must be the only one; the
// others were told that they lost.
func oneWinner(t *testing.T, errs []error, lost error) int {
	t.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("workers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, lost):
			t.Errorf("worker %d: %v", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	return winner
}

// revisionRace lets every worker win one compare-and-set. The count in the
// record shows a lost update, the revisions a double win.
func revisionRace(t *testing.T, s Stores) {
	create(t, s.Store, address(1))
	ctx := bounded(t)
	var mu sync.Mutex
	wonAt := map[uint64]int{}
	race(workers, func(i int) {
		named, err := countUp(ctx, s.Store)
		if err != nil {
			t.Errorf("worker %d: %v", i, err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if other, twice := wonAt[named]; twice {
			t.Errorf("revision %d was won by workers %d and %d", named, other, i)
		}
		wonAt[named] = i
	})
	if got := latest(t, s.Store, address(1)).Link.Failures; got != workers {
		t.Errorf("%d of %d updates are in the record", got, workers)
	}
}

// countUp tries until it has counted once, and returns the revision that it replaced.
func countUp(ctx context.Context, s links.Store) (uint64, error) {
	for {
		v, err := s.Latest(ctx, address(1))
		if err != nil {
			return 0, err
		}
		v.Link.Failures++
		_, err = s.Update(ctx, v.Link, v.Revision)
		if errors.Is(err, links.ErrConflict) {
			continue
		}
		return v.Revision, err
	}
}

// parallelRotation is what a store is for: of all workers that want to refresh
// a link at once, one presents the credential of each generation.
func parallelRotation(t *testing.T, s Stores) {
	const rounds = 8
	v := create(t, s.Store, address(1))
	for generation := v.Link.Generation; generation <= rounds; generation++ {
		presented := make(chan string, workers)
		race(workers, func(i int) {
			attempt := links.Attempt{ID: fmt.Sprintf("attempt-%d-%d", generation, i), Worker: fmt.Sprint(i)}
			if err := rotate(bounded(t), s.Store, generation, attempt, presented); err != nil {
				t.Errorf("generation %d, worker %d: %v", generation, i, err)
			}
		})
		if n := len(presented); n != 1 {
			t.Fatalf("generation %d was presented %d times, want once", generation, n)
		}
		got := latest(t, s.Store, address(1)).Link
		if winner := <-presented; got.Generation != generation+1 || got.Status != links.Active || got.Fingerprint != winner {
			t.Fatalf("generation %d %s with the bearer of %q, want %d active of %q", got.Generation, got.Status, got.Fingerprint, generation+1, winner)
		}
	}
}

// rotate is a worker's refresh: intent, presentation, commit. Whoever finds the
// link refreshed, or loses the intent, has nothing to do.
func rotate(ctx context.Context, s links.Store, generation uint64, a links.Attempt, presented chan<- string) error {
	v, err := s.Get(ctx, address(1))
	if err != nil {
		return err
	}
	if v.Link.Generation != generation || v.Link.Status != links.Active {
		return nil
	}
	intent := v.Link.Begin(a, true, links.Rules{})
	revision, err := s.Update(ctx, intent, v.Revision)
	if errors.Is(err, links.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	presented <- a.ID
	_, err = s.Update(ctx, committed(intent, a), revision)
	return err
}

// committed is the essence of a commit; the suite needs no events.
func committed(l links.Link, a links.Attempt) links.Link {
	l.Status, l.Attempts, l.Refused = links.Active, nil, false
	l.Generation++
	l.Fingerprint = a.ID
	return l
}
