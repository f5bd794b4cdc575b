package handlers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// traces are what the streams tell; the zero value knows nothing.
type traces struct{ generation, event, due uint64 }

func (s traces) Announced(context.Context, events.Address) (generation, number uint64, err error) {
	return s.generation, s.event, nil
}

func (s traces) Armed(context.Context, events.Address) (uint64, bool, error) {
	return s.due, s.due > 0, nil
}

// restorer sees to the world's link, in a bubble an hour after the backup.
func (w *world) restorer(s traces) *handlers.Restorer {
	at := time.Now()
	w.store.restored = true
	w.sleep(time.Hour)
	return &handlers.Restorer{
		At: at, Profiles: map[string]providers.Profile{"op": w.rules}, Store: w.store.Store, Scanner: w.store.Store, Keys: w.keys, Traces: s,
		Timers: &w.broker, Outputs: &w.broker, Budget: w.budget, Clock: time.Now,
	}
}

// run is one run over all links, and what became of the one.
func (w *world) restoredBy(r *handlers.Restorer) (got handlers.RestoredLink, err error) {
	w.t.Helper()
	all, err := r.Links(w.t.Context(), events.Address{})
	if err != nil || len(all) != 1 {
		w.t.Fatalf("%d links, %v", len(all), err)
	}
	err = r.Each(w.t.Context(), all, false, func(l handlers.RestoredLink) { got = l })
	return got, err
}

// bubble runs a test in a world whose rule is forbidden.
func bubble(t *testing.T, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { do(newWorld(t, providers.Replay{})) })
}

// A worker that writes between reading and marking wins; the link is judged again.
func TestARestoreLosesToARefresh(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.restorer(traces{})
		r.Store = &meddled{Store: w.store.Store, before: func() { w.process("a").take(w.report(1)).end() }}
		got, err := w.restoredBy(r)
		if err != nil || got.Fate != links.FateNewer {
			t.Errorf("%+v, %v", got, err)
		}
		w.wantLink(links.Active, 2)
	})
}

// Killed between its write and the timer, a run is taken up by the next.
func TestARestoreThatWasCutShortIsTakenUp(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.restorer(traces{})
		away := errors.New("away")
		r.Timers = failing{away}
		if _, err := w.restoredBy(r); !errors.Is(err, away) {
			t.Fatalf("%v", err)
		}
		r.Timers = &w.broker
		if got, err := w.restoredBy(r); err != nil || got.Fate != links.FateMarked {
			t.Errorf("%+v, %v", got, err)
		}
		w.wantArmed()
	})
}

type failing struct{ err error }

func (f failing) Arm(context.Context, events.Address, uint64, time.Time) error { return f.err }

// Tokens go along to the generation that was announced, and open there alone (G7).
func TestARestoreBindsTokensToWhatWasAnnounced(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.restorer(traces{generation: 4, event: 12})
		got, err := w.restoredBy(r)
		if err != nil || got.Fate != links.FateUncertain || got.Generation != 4 {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := handlers.TokensOpen(w.keys, w.link()); err != nil {
			t.Error(err)
		}
		if w.link().EventNumber < 12 {
			t.Errorf("the next event would pass for one that is stored: %d", w.link().EventNumber)
		}
	})
}

// A link whose tokens do not open is told, stays as it is, and is no reason to stop.
func TestARestoreTellsOfTokensThatDoNotOpen(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.restorer(traces{generation: 4})
		other, err := seal.Generate()
		if err != nil {
			t.Fatal(err)
		}
		r.Keys = other
		if got, err := w.restoredBy(r); err != nil || got.Problem == "" || got.Fate != "" {
			t.Errorf("%+v, %v", got, err)
		}
		w.wantLink(links.Active, 1)
	})
}

// What nobody in memory knows, the workers carry out: a restored link's user is asked
// when its bearer is dead, by a worker that is started later, and its token stays unshown.
func TestWorkersJudgeWhatARestoreLeft(t *testing.T) {
	bubble(t, func(w *world) {
		if got, err := w.restoredBy(w.restorer(traces{})); err != nil || got.Fate != links.FateUncertain {
			t.Fatalf("%+v, %v", got, err)
		}
		w.rest(w.process("a"))
		w.wantLink(links.ConsentRequired, 1)
		w.wantEvents("consent-required")
		w.wantPresentations(0)
	})
}

// A record that cannot be read is told with its link, and holds up no other.
func TestARestorePassesOverWhatItCannotRead(t *testing.T) {
	bubble(t, func(w *world) {
		r := w.restorer(traces{})
		r.Scanner = newerBeside{w.store.Store}
		all, err := r.Links(w.t.Context(), events.Address{})
		if !errors.Is(err, links.ErrRecord) || len(all) != 1 {
			t.Fatalf("%v, %v; want the link that can be read, and ErrRecord", all, err)
		}
		var told []handlers.RestoredLink
		newer := events.Address{Tenant: theLink.Tenant, Provider: theLink.Provider, Link: "newer"}
		r.Store = newerAt{w.store.Store, newer}
		err = r.Each(w.t.Context(), []events.Address{newer, theLink}, false, func(l handlers.RestoredLink) { told = append(told, l) })
		if err != nil || len(told) != 2 || told[0].Problem == "" || told[1].Problem != "" {
			t.Errorf("%+v, %v", told, err)
		}
	})
}

// newerAt is a store with a record of a newer version.
type newerAt struct {
	links.Store
	address events.Address
}

func (s newerAt) Latest(ctx context.Context, a events.Address) (links.Stored, error) {
	if a == s.address {
		return links.Stored{}, links.ErrRecord
	}
	return s.Store.Latest(ctx, a)
}
