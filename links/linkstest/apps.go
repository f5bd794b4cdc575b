package linkstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Apps is the definition of an apps.Store, as Run is that of a store of links.
// open makes an empty store for each test and ends it with t.Cleanup.
func Apps(t *testing.T, open func(t *testing.T) apps.Store) {
	for name, test := range map[string]func(*testing.T, apps.Store){
		"not found":                      appNotFound,
		"create once":                    appCreateOnce,
		"update at a revision":           appUpdate,
		"malformed names":                appNames,
		"an app is created once":         appCreateRace,
		"an app is suspended once":       suspensionRace,
		"a probe is taken once":          probeRace,
		"watch begins with what is":      appWatchStored,
		"watch keeps the order":          appWatchOrder,
		"watch ends with its context":    appWatchEnds,
		"writes with an ended context":   appEndedContext,
		"apps of one store are apart":    appsAreApart,
		"the record comes back as it is": appRoundTrip,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var (
	suspendedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	faulty      = events.Address{Tenant: "default", Provider: "op", Link: "L1"}
)

// SampleApp is a suspended app, such as a store may hold.
func SampleApp(name string) apps.App {
	a, _ := apps.New(name).Suspend("invalid_client", faulty, suspendedAt, time.Minute)
	return a
}

func createApp(t *testing.T, s apps.Store, a apps.App) apps.Stored {
	t.Helper()
	if _, err := s.Create(bounded(t), a); err != nil {
		t.Fatalf("create %s: %v", a.Name, err)
	}
	return getApp(t, s, a.Name)
}

func getApp(t *testing.T, s apps.Store, name string) apps.Stored {
	t.Helper()
	v, err := s.Get(bounded(t), name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return v
}

func appNotFound(t *testing.T, s apps.Store) {
	if _, err := s.Get(bounded(t), "op"); !errors.Is(err, links.ErrNotFound) {
		t.Errorf("Get of no app: %v, want ErrNotFound", err)
	}
	for _, revision := range []uint64{0, 7} {
		if _, err := s.Update(bounded(t), SampleApp("op"), revision); !errors.Is(err, links.ErrConflict) {
			t.Errorf("Update of no app at %d: %v, want ErrConflict", revision, err)
		}
	}
}

func appCreateOnce(t *testing.T, s apps.Store) {
	createApp(t, s, SampleApp("op"))
	if _, err := s.Create(bounded(t), apps.New("op")); !errors.Is(err, links.ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
	if got := getApp(t, s, "op"); !got.App.Suspended() {
		t.Errorf("the second Create took place: %+v", got.App)
	}
}

func appUpdate(t *testing.T, s apps.Store) {
	v1 := createApp(t, s, SampleApp("op"))
	next, _ := v1.App.Probe("one", suspendedAt, time.Minute)
	revision, err := s.Update(bounded(t), next, v1.Revision)
	if err != nil || revision <= v1.Revision {
		t.Fatalf("Update at %d: %d, %v", v1.Revision, revision, err)
	}
	for _, passed := range []uint64{v1.Revision, revision + 1, 0} {
		if _, err := s.Update(bounded(t), next, passed); !errors.Is(err, links.ErrConflict) {
			t.Errorf("Update at %d while at %d: %v, want ErrConflict", passed, revision, err)
		}
	}
	if got := getApp(t, s, "op"); got.Revision != revision || got.App != next || got.StoredAt.IsZero() {
		t.Errorf("stored %+v, want %+v at %d", got, next, revision)
	}
}

// appNames: a wildcard or a dot would ask for more than one app.
func appNames(t *testing.T, s apps.Store) {
	createApp(t, s, SampleApp("op"))
	for _, name := range []string{"", "*", ">", "a.b", "OP", "a b"} {
		if _, err := s.Get(bounded(t), name); err == nil || errors.Is(err, links.ErrNotFound) {
			t.Errorf("Get of %q: %v, want a refusal", name, err)
		}
		if _, err := s.Create(bounded(t), SampleApp(name)); err == nil {
			t.Errorf("Create of %q took place", name)
		}
		if _, err := s.Update(bounded(t), SampleApp(name), 1); err == nil || errors.Is(err, links.ErrConflict) {
			t.Errorf("Update of %q: %v, want a refusal", name, err)
		}
	}
}

func appCreateRace(t *testing.T, s apps.Store) {
	errs := make([]error, workers)
	race(workers, func(i int) {
		a := SampleApp("op")
		a.Reason = fmt.Sprint("reason-", i)
		_, errs[i] = s.Create(bounded(t), a)
	})
	winner := oneWinner(t, errs, links.ErrExists)
	if got := getApp(t, s, "op").App.Reason; got != fmt.Sprint("reason-", winner) {
		t.Errorf("stored %s, worker %d won", got, winner)
	}
}

func suspensionRace(t *testing.T, s apps.Store) {
	v := createApp(t, s, apps.New("op"))
	errs := make([]error, workers)
	race(workers, func(i int) {
		next, _ := v.App.Suspend(fmt.Sprint("reason-", i), faulty, suspendedAt, time.Minute)
		_, errs[i] = s.Update(bounded(t), next, v.Revision)
	})
	winner := oneWinner(t, errs, links.ErrConflict)
	if got := getApp(t, s, "op").App.Reason; got != fmt.Sprint("reason-", winner) {
		t.Errorf("stored %s, worker %d won", got, winner)
	}
}

func probeRace(t *testing.T, s apps.Store) {
	v := createApp(t, s, SampleApp("op"))
	errs := make([]error, workers)
	race(workers, func(i int) {
		next, _ := v.App.Probe(fmt.Sprint("worker-", i), suspendedAt, time.Minute)
		_, errs[i] = s.Update(bounded(t), next, v.Revision)
	})
	winner := oneWinner(t, errs, links.ErrConflict)
	if got := getApp(t, s, "op").App.ProbeHolder; got != fmt.Sprint("worker-", winner) {
		t.Errorf("%s holds the probe, worker %d won", got, winner)
	}
}

// watchApps collects what a watch tells until the test ends.
func watchApps(t *testing.T, s apps.Store) <-chan apps.Stored {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told, over := make(chan apps.Stored, 1024), make(chan struct{})
	go func() {
		defer close(over)
		if err := s.Watch(ctx, func(v apps.Stored) { told <- v }); !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-over })
	return told
}

func heard(t *testing.T, from <-chan apps.Stored) apps.Stored {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-bounded(t).Done():
		t.Fatal("the watch tells nothing")
		return apps.Stored{}
	}
}

func appWatchStored(t *testing.T, s apps.Store) {
	want := map[string]apps.Stored{}
	for _, name := range []string{"bank", "op"} {
		want[name] = createApp(t, s, SampleApp(name))
	}
	told := watchApps(t, s)
	for range len(want) {
		v := heard(t, told)
		if w := want[v.App.Name]; v.App != w.App || v.Revision != w.Revision || !v.StoredAt.Equal(w.StoredAt) {
			t.Errorf("told %+v, want %+v", v, w)
		}
		delete(want, v.App.Name)
	}
	createApp(t, s, SampleApp("later"))
	if v := heard(t, told); v.App.Name != "later" || len(want) != 0 {
		t.Errorf("told of %s; never of %v", v.App.Name, want)
	}
}

func appWatchOrder(t *testing.T, s apps.Store) {
	told := watchApps(t, s)
	v := createApp(t, s, SampleApp("op"))
	const writes = 50
	for range writes {
		v.App, _ = v.App.Probe("one", suspendedAt, time.Minute)
		next, err := s.Update(bounded(t), v.App, v.Revision)
		if err != nil {
			t.Fatal(err)
		}
		v.Revision = next
	}
	for last := uint64(0); ; {
		got := heard(t, told)
		if got.Revision <= last {
			t.Fatalf("told of %d after %d", got.Revision, last)
		}
		if last = got.Revision; last == v.Revision {
			return
		}
	}
}

func appWatchEnds(t *testing.T, s apps.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Watch(ctx, func(apps.Stored) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch: %v", err)
	}
}

func appEndedContext(t *testing.T, s apps.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Create(ctx, SampleApp("op")); err == nil {
		t.Error("created with an ended context")
	}
	if _, err := s.Get(ctx, "op"); err == nil {
		t.Error("read with an ended context")
	}
}

func appsAreApart(t *testing.T, s apps.Store) {
	op, bank := createApp(t, s, SampleApp("op")), createApp(t, s, apps.New("bank"))
	if _, err := s.Update(bounded(t), bank.App, bank.Revision); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(bounded(t), op.App, op.Revision); err != nil {
		t.Errorf("a write to another app moved this one: %v", err)
	}
}

func appRoundTrip(t *testing.T, s apps.Store) {
	a := SampleApp("op")
	a, _ = a.Probe("worker-1", suspendedAt.Add(time.Minute), time.Minute)
	a, _, _ = a.Hold(apps.Sight{}, suspendedAt.Add(2*time.Minute))
	a, _ = a.Announce(a.Episode, apps.Suspended)
	if got := createApp(t, s, a); got.App != a {
		t.Errorf("stored %+v\nwritten %+v", got.App, a)
	}
}
