package apps_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var normal = budget.Of(budget.Default)

// fleet is some workers around one store, in a bubble whose clock is fake.
type fleet struct {
	*testing.T
	store *memstore.Apps
	keep  apps.Store // what the next worker is given

	mu      sync.Mutex
	changes map[string][]apps.App
	probes  []string // workers that won a probe, in order
}

func inBubble(t *testing.T, test func(f *fleet)) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.NewApps(time.Now)
		test(&fleet{T: t, store: store, keep: store, changes: map[string][]apps.App{}})
	})
}

func (f *fleet) worker(name string) *apps.Keeper { return f.workerAt(name, time.Now) }

// workerAt has a clock of its own.
func (f *fleet) workerAt(name string, clock func() time.Time) *apps.Keeper {
	f.Helper()
	k, err := apps.Start(f.Context(), apps.Config{
		Apps: []string{"op", "bank"}, Worker: name, Store: f.keep, Budget: normal, Now: clock, Log: testenv.Log(f),
		Changed: func(a apps.App) { f.note(func() { f.changes[name] = append(f.changes[name], a) }) },
		Probing: func(string) { f.note(func() { f.probes = append(f.probes, name) }) },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(k.Stop)
	synctest.Wait()
	return k
}

func (f *fleet) note(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// won are the workers that won a probe, in order; told is what each worker was told.
func (f *fleet) won() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.probes)
}

func (f *fleet) told() map[string][]apps.App {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.changes)
}

func (f *fleet) admitted(k *apps.Keeper) *apps.Pass {
	f.Helper()
	p, wait := k.Admit(f.Context(), "op")
	if p == nil {
		f.Fatalf("not admitted for %v", wait)
	}
	return p
}

func (f *fleet) refused(k *apps.Keeper) time.Duration {
	f.Helper()
	p, wait := k.Admit(f.Context(), "op")
	if p != nil || wait <= 0 {
		f.Fatalf("admitted, or to come back in %v", wait)
	}
	return wait
}

func (f *fleet) fault(p *apps.Pass) bool {
	f.Helper()
	_, first, err := p.Faulted(f.Context(), "invalid_client", link)
	if err != nil {
		f.Fatal(err)
	}
	synctest.Wait() // the watches have told
	return first
}

func (f *fleet) works(p *apps.Pass) (apps.App, bool) {
	f.Helper()
	a, resumed, err := p.Worked(f.Context(), link)
	if err != nil {
		f.Fatal(err)
	}
	synctest.Wait()
	return a, resumed
}

// warm has a worker see that the registration works, after which it is not cautious.
func (f *fleet) warm(k *apps.Keeper) { f.works(f.admitted(k)) }

func TestOneOfManyFaultsSuspendsEveryWorker(t *testing.T) {
	inBubble(t, func(f *fleet) {
		one, two := f.worker("one"), f.worker("two")
		f.warm(one)
		f.warm(two)
		var passes []*apps.Pass
		for range 50 {
			passes = append(passes, f.admitted(one), f.admitted(two))
		}
		firsts := 0
		for _, p := range passes {
			if f.fault(p) {
				firsts++
			}
		}
		if firsts != 1 {
			f.Fatalf("%d alarms", firsts)
		}
		f.refused(one)
		f.refused(two)
		for name, seen := range f.told() {
			if last := seen[len(seen)-1]; !last.Suspended() || last.Episode != 1 || last.Reason != "invalid_client" {
				f.Errorf("%s: %+v", name, last)
			}
		}
		if p, _ := one.Admit(f.Context(), "bank"); p == nil {
			f.Error("another app was suspended too")
		}
	})
}

func TestFaultsAtTheSameTimeAreOneAlarm(t *testing.T) {
	inBubble(t, func(f *fleet) {
		var firsts int
		var all sync.WaitGroup
		var passes []*apps.Pass
		for i := range 8 {
			passes = append(passes, f.admitted(f.worker(fmt.Sprint("worker-", i))))
		}
		for _, p := range passes {
			all.Go(func() {
				_, first, err := p.Faulted(context.Background(), "invalid_client", link)
				if err != nil {
					f.Error(err)
				}
				f.note(func() {
					if first {
						firsts++
					}
				})
			})
		}
		all.Wait()
		if firsts != 1 {
			f.Fatalf("%d alarms", firsts)
		}
	})
}

// TestAnHourOfSuspension is the promise to the provider: a wrong secret, whatever
// is due, costs a call per worker at first and one a minute afterwards.
func TestAnHourOfSuspension(t *testing.T) {
	inBubble(t, func(f *fleet) {
		workers := []*apps.Keeper{f.worker("one"), f.worker("two"), f.worker("three"), f.worker("four")}
		var calls []time.Time
		alarms := 0
		ctx, cancel := context.WithTimeout(f.Context(), time.Hour)
		defer cancel()
		var due sync.WaitGroup
		for _, k := range workers {
			for range 64 { // slots, each with something due all the time
				due.Go(func() {
					for ctx.Err() == nil {
						p, wait := k.Admit(ctx, "op")
						if p != nil {
							f.note(func() { calls = append(calls, time.Now()) })
							time.Sleep(200 * time.Millisecond) // the provider refuses us
							if _, first, _ := p.Faulted(ctx, "invalid_client", link); first {
								f.note(func() { alarms++ })
							}
						}
						time.Sleep(max(wait, time.Millisecond))
					}
				})
			}
		}
		due.Wait()
		if alarms != 1 {
			f.Errorf("%d alarms", alarms)
		}
		most := 0
		for i, from := range calls {
			n := 0
			for _, at := range calls[i:] {
				if at.Sub(from) < time.Minute {
					n++
				}
			}
			most = max(most, n)
		}
		if most > 5 || len(calls) < 55 || len(calls) > 64 {
			f.Errorf("%d calls in an hour, %d in one minute", len(calls), most)
		}
		f.Logf("%d calls, at most %d in a minute", len(calls), most)
	})
}

func TestAProbeThatWorksResumesEveryWorkerOnce(t *testing.T) {
	inBubble(t, func(f *fleet) {
		one, two := f.worker("one"), f.worker("two")
		f.fault(f.admitted(one))
		began := time.Now()
		time.Sleep(normal.Probe - time.Millisecond)
		synctest.Wait()
		if len(f.won()) != 0 {
			f.Fatal("probed at once")
		}
		time.Sleep(normal.LockRenew + time.Millisecond)
		synctest.Wait()
		if len(f.won()) != 1 {
			f.Fatalf("probes of %v", f.won())
		}
		winner, loser := one, two
		if f.won()[0] == "two" {
			winner, loser = two, one
		}
		f.refused(loser)
		p := f.admitted(winner)
		if !p.Probe() {
			f.Error("the probe does not know that it is one")
		}
		f.refused(winner) // it is one attempt
		a, resumed := f.works(p)
		if !resumed || !a.Since.Equal(began) || a.Announced {
			f.Fatalf("resumed %v, %+v", resumed, a)
		}
		if _, again := f.works(p); again {
			f.Error("a pass ended twice")
		}
		f.warm(one)
		f.warm(two)
	})
}

func TestAnAttemptFromBeforeTheSuspensionDoesNotEndIt(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.warm(k)
		early, fault := f.admitted(k), f.admitted(k)
		f.fault(fault)
		if _, resumed := f.works(early); resumed {
			f.Fatal("resumed by an attempt that was begun before")
		}
		f.refused(k)
	})
}

func TestAFaultFromBeforeTheLastSuspensionIsNoAlarm(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.warm(k)
		slow, fault := f.admitted(k), f.admitted(k)
		f.fault(fault)
		time.Sleep(normal.Probe + normal.LockRenew)
		synctest.Wait()
		f.works(f.admitted(k))
		if f.fault(slow) {
			f.Fatal("suspended by the answer to an attempt with the old secret")
		}
		f.warm(k)
	})
}

func TestAProbeThatIsNotMadeCanBeTakenAgain(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.fault(f.admitted(k))
		time.Sleep(normal.Probe + normal.LockRenew)
		synctest.Wait()
		p := f.admitted(k)
		p.Release() // the link was not due after all
		p.Release()
		slow := f.admitted(k)
		f.refused(k)
		time.Sleep(normal.Probe + normal.LockRenew) // it did not come back: another minute, another probe
		synctest.Wait()
		if len(f.won()) != 2 {
			f.Fatalf("probes of %v", f.won())
		}
		f.admitted(k)
		slow.Release()
		f.refused(k) // the one before was not put back beside it
	})
}

func TestASuspensionSurvivesARestart(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.fault(f.admitted(k))
		k.Stop()
		time.Sleep(20 * time.Second)
		again := f.worker("again")
		if wait := f.refused(again); wait > 40*time.Second {
			f.Errorf("the restart put the probe off to %v", wait)
		}
		time.Sleep(40*time.Second + normal.LockRenew)
		synctest.Wait()
		if !slices.Equal(f.won(), []string{"again"}) {
			f.Fatalf("probes of %v", f.won())
		}
		f.works(f.admitted(again))
	})
}

// deaf is a store whose watch tells nothing: it lags as far as a watch can.
type deaf struct{ apps.Store }

func (deaf) Watch(ctx context.Context, _ func(apps.Stored)) error { <-ctx.Done(); return ctx.Err() }

func TestAWorkerWhoseWatchLagsTakesNoSecondProbe(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.fault(f.admitted(f.worker("one")))
		f.keep = deaf{f.store}
		f.worker("two")
		f.worker("three")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(f.won()); n < 55 || n > 60 {
			f.Fatalf("%d probes in an hour", n)
		}
	})
}

// TestClocksThatDisagree: the rate of probes must not depend on anybody's wall clock.
func TestClocksThatDisagree(t *testing.T) {
	inBubble(t, func(f *fleet) {
		ahead := func() time.Time { return time.Now().Add(48 * time.Hour) }
		behind := func() time.Time { return time.Now().Add(-48 * time.Hour) }
		one := f.worker("right")
		f.workerAt("ahead", ahead)
		f.workerAt("behind", behind)
		f.fault(f.admitted(one))
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(f.won()); n < 55 || n > 60 {
			f.Fatalf("%d probes in an hour", n)
		}
	})
}

func TestWithTheStoreAwayAFaultStillStopsThisWorker(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.warm(k)
		f.store.Inject(memstore.AppFault{Op: memstore.Create})
		p := f.admitted(k)
		if _, first, err := p.Faulted(f.Context(), "invalid_client", link); !errors.Is(err, links.ErrUnknown) || first {
			f.Fatalf("first %v, %v", first, err)
		}
		f.refused(k)
		time.Sleep(normal.Probe)
		if !f.fault(f.admitted(k)) { // the store is back
			f.Fatal("no alarm")
		}
	})
}

func TestOnlyOneAttemptIsMadeUntilTheRegistrationWasSeenToWork(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		first := f.admitted(k)
		passes := make(chan *apps.Pass, 10)
		for range 10 {
			go func() { p, _ := k.Admit(f.Context(), "op"); passes <- p }()
		}
		synctest.Wait()
		if len(passes) != 0 {
			f.Fatal("others were admitted beside the first")
		}
		f.works(first)
		if len(passes) != 10 {
			f.Fatalf("%d of 10 admitted", len(passes))
		}
	})
}

// They would be answered together as well, and so on: a herd that does not end.
func TestWhoWaitedForATrialGoesOnAtThePaceOfComing(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		trial, began := f.admitted(k), time.Now()
		const took = 2 * time.Second
		went := make(chan time.Duration, 3)
		for _, after := range []time.Duration{0, took / 4, took * 3 / 4} {
			go func() {
				time.Sleep(after)
				k.Admit(f.Context(), "op")
				went <- time.Since(began) - after
			}()
		}
		time.Sleep(took)
		f.works(trial)
		for range cap(went) {
			if waited := <-went; waited != took {
				f.Errorf("waited %v for a trial of %v", waited, took)
			}
		}
		f.admitted(k)
		if late := time.Since(began) - took*7/4; late != 0 {
			f.Errorf("who came after the trial waited for %v", late)
		}
	})
}

func TestAFirstAttemptThatHangsDoesNotStopTheOthers(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.admitted(k)
		began := time.Now()
		f.admitted(k)
		if waited := time.Since(began); waited != normal.Heartbeat {
			f.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithCancel(f.Context())
		cancel()
		if p, wait := k.Admit(ctx, "op"); p != nil || wait <= 0 {
			f.Error("admitted with an ended context")
		}
	})
}

func TestABreakerOpensAndLetsOneThrough(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k, peer := f.worker("one"), f.worker("two")
		f.warm(k)
		for range 5 {
			f.admitted(k).Troubled()
		}
		if wait := f.refused(k); wait > normal.Patience {
			f.Errorf("to come back in %v", wait)
		}
		f.warm(peer) // it is this worker's own trouble, for all it knows
		time.Sleep(normal.Patience + time.Millisecond)
		trial := f.admitted(k)
		f.refused(k)
		trial.Release() // not made: the next may
		trial = f.admitted(k)
		trial.Troubled()
		f.refused(k)
		time.Sleep(normal.Patience + time.Millisecond)
		f.warm(k)
		f.admitted(k)
		f.admitted(k)
		if a, _ := k.App("op"); a.Suspended() {
			f.Error("a provider that is down suspended the app")
		}
	})
}

func TestNeutralAnswersDoNotOpenTheBreaker(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		f.warm(k)
		for range 4 {
			f.admitted(k).Troubled()
		}
		for range 20 {
			f.admitted(k).Release()
		}
		f.admitted(k)
	})
}

func TestWhatNobodyAnnouncedIsFound(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k, peer := f.worker("one"), f.worker("two")
		f.fault(f.admitted(k))
		k.Stop() // dies before the event is durable
		if len(peer.Unannounced(normal.Recovery)) != 0 {
			f.Fatal("found before its own worker had time")
		}
		time.Sleep(normal.Recovery)
		owed := peer.Unannounced(normal.Recovery)
		if len(owed) != 1 || owed[0].Link != link || owed[0].Reason != "invalid_client" {
			f.Fatalf("owed %+v", owed)
		}
		if err := peer.Announced(f.Context(), owed[0]); err != nil {
			f.Fatal(err)
		}
		synctest.Wait()
		if len(peer.Unannounced(0)) != 0 {
			f.Fatal("announced, and still owed")
		}
	})
}

// counted is a Counter that answers what the test says.
type counted struct{ dead, all int }

func (c counted) Count(context.Context, string, string, bool) (int, int) { return c.dead, c.all }

func TestASpikeHoldsVerdictsEverywhereWithOneAlarm(t *testing.T) {
	inBubble(t, func(f *fleet) {
		one, two := f.worker("one"), f.worker("two")
		few, many := counted{19, 19}, counted{20, 40}
		observe := func(k *apps.Keeper, c counted, dead bool) bool {
			first, err := apps.Spike{Keeper: k, Counter: c}.Observe(f.Context(), "op", "L1", dead)
			if err != nil {
				f.Fatal(err)
			}
			synctest.Wait()
			return first
		}
		if observe(one, few, true) || observe(one, many, false) || one.Held("op") {
			f.Fatal("held without a spike")
		}
		if !observe(one, many, true) || observe(two, many, true) || observe(one, many, true) {
			f.Fatal("not one alarm")
		}
		if !one.Held("op") || !two.Held("op") || one.Held("bank") {
			f.Fatal("not held by all, or the wrong app")
		}
		time.Sleep(apps.HoldFor - time.Second)
		if observe(two, many, true) {
			f.Fatal("the same spike, a second alarm")
		}
		time.Sleep(apps.HoldFor - time.Second)
		if !one.Held("op") {
			f.Fatal("a spike that goes on is not held")
		}
		time.Sleep(2 * time.Second)
		if one.Held("op") || two.Held("op") {
			f.Fatal("held for ever")
		}
	})
}

func TestAnAppThatIsNotConfiguredIsNotKept(t *testing.T) {
	inBubble(t, func(f *fleet) {
		k := f.worker("one")
		p, _ := k.Admit(f.Context(), "unknown")
		if _, _, err := p.Faulted(f.Context(), "invalid_client", link); !errors.Is(err, apps.ErrUnknownApp) {
			f.Errorf("%v, want ErrUnknownApp", err)
		}
	})
}
