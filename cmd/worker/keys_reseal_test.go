package main

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
)

// TestAKilledResealIsCompletedByTheNext: with kill -9, after some records were written.
// One link is being refreshed meanwhile, which no run can write: so there is something
// left, however fast the command was.
func TestAKilledResealIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	const n = 30
	r := newToReseal(t, n)
	old := r.rotates()
	r.becomes(links.Refreshing)
	args := []string{"keys", "reseal", "--rate=40", "--config", r.config}
	killed := testenv.Start(t, testenv.Command{Path: "worker", Args: args})
	testenv.Eventually(t, time.Minute, "some records are resealed", func() bool { return r.needs()[old] < n })
	killed.Kill()
	cut := r.needs()
	if cut[old] == 0 || len(cut) != 2 {
		t.Fatalf("the run was not cut short: %v", cut)
	}
	r.becomes(links.Active)
	next := testenv.Start(t, testenv.Command{Path: "worker", Args: args})
	if err := next.Wait(); err != nil {
		t.Fatalf("the next run: %v; it said %s", err, next.Output())
	}
	r.opensWithout(old)
	t.Logf("killed when %d of %d records were written; the next run wrote the others", cut[r.keys().Primary()], n)
}

// toReseal is a cell without workers, whose links are to be resealed.
type toReseal struct {
	*testing.T
	cell   *fleet.Cell
	config string
	made   []fleet.Link
}

func newToReseal(t *testing.T, n int) *toReseal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := providers.Builtin("generic")
	ok(t, err)
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": {Profile: p}}, Log: testenv.Log(t),
	})
	ok(t, err)
	t.Cleanup(func() { _ = cell.Close(context.Background()) })
	config, err := cell.WriteConfig()
	ok(t, err)
	made, err := cell.Import(ctx, "op", n)
	ok(t, err)
	return &toReseal{t, cell, config, made}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rotates has another key seal, and returns the one that did.
func (r *toReseal) rotates() (old uint32) {
	r.Helper()
	old = r.keys().Primary()
	ok(r.T, seal.Edit(r.cell.Config.Keys.File, func(k *seal.Keys) error {
		id, err := k.Add(time.Now())
		if err == nil {
			err = k.Promote(id, time.Now())
		}
		return err
	}))
	return old
}

func (r *toReseal) keys() *seal.Keys {
	r.Helper()
	keys, err := seal.Load(r.cell.Config.Keys.File)
	ok(r.T, err)
	return keys
}

// becomes puts the last link into a state.
func (r *toReseal) becomes(status links.Status) {
	r.Helper()
	s, err := r.cell.Store.Latest(r.Context(), r.made[len(r.made)-1].Address)
	ok(r.T, err)
	s.Link.Status = status
	_, err = r.cell.Store.Update(r.Context(), s.Link, s.Revision)
	ok(r.T, err)
}

// needs counts the stored values by key.
func (r *toReseal) needs() handlers.KeyCount {
	r.Helper()
	flows, err := kvstore.NewFlows(r.Context(), r.cell.Bus.JetStream(), r.cell.Bus.Names().Consents())
	ok(r.T, err)
	survey := handlers.Resealer{Links: r.cell.Store, Scanner: r.cell.Store, Flows: flows, Keys: r.keys()}
	found, err := survey.Survey(r.Context(), true, func() {})
	ok(r.T, err)
	return found.Values
}

// opensWithout opens every link once a key is destroyed.
func (r *toReseal) opensWithout(old uint32) {
	r.Helper()
	ok(r.T, seal.Edit(r.cell.Config.Keys.File, func(k *seal.Keys) error { return k.Destroy(old, time.Now()) }))
	keys := r.keys()
	for _, made := range r.made {
		l, err := r.cell.Link(r.Context(), made.Address)
		ok(r.T, err)
		if err := handlers.TokensOpen(keys, l); err != nil || l.Generation != 1 {
			r.Errorf("link %s generation %d: %v", l.Link, l.Generation, err)
		}
	}
}
