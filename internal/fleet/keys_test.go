package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/spool"
)

// keyStorm says how many links are rotated while the sealing keys are, and how often
// these are after the first time. REGRANT_KEYS=full is the long form.
func keyStorm() (links, again int) {
	switch {
	case os.Getenv("REGRANT_KEYS") == "full":
		return 1000, 4
	case testing.Short():
		return 40, 1
	}
	return 100, 1
}

// TestKeysAreRotatedAndResealedDuringAStorm: no token is lost, none is presented twice
// and no generation is overwritten, whatever is done to the keys meanwhile and however
// late a host hears of it. In the end one key is left, and opens everything: by reseal
// alone, for nothing was refreshed since that key seals.
func TestKeysAreRotatedAndResealedDuringAStorm(t *testing.T) {
	t.Parallel()
	n, again := keyStorm()
	v := newVault(t, n)
	a, b, late := v.host("a"), v.host("b"), v.host("late")
	first := v.operator().Primary()
	v.begins(a)
	v.begins(b)
	v.storm.begins(stormy(v.made))
	v.rotates(a, b)
	lacks := v.begins(late) // of a host whose copy is from before
	v.resealsInTheStorm()
	v.eventually("the late host's worker meets a key that it lacks", func() bool { return counted(t, lacks) > 0 })
	late.given(v.file)
	old := []uint32{first}
	for range again {
		v.passes()
		old = append(old, v.operator().Primary())
		v.rotates(a, b, late)
		v.resealsInTheStorm()
	}
	v.passes()
	v.storm.ends()
	v.settled()
	old = append(old, v.operator().Primary())
	v.rotates(a, b, late)
	v.reseals(v.cell.Store)
	v.destroys(old, a, b, late)
	v.judge(v.opened())
}

// vault is a cell whose hosts have a copy each of the keys file, and whose operator has
// the file itself.
type vault struct {
	*testing.T
	cell  *fleet.Cell
	file  string
	made  []fleet.Link
	storm *storm
	began time.Time
}

func newVault(t *testing.T, n int) *vault {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	op := hostile(t)
	op.Profile.RenewMargin = 2 * op.Behaviour.AccessTTL // a report `expiring` is due at any time
	op.Profile.Concurrency = 8                          // most links wait for a refresh, and few are in one
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": op},
		Log:       slog.New(slog.NewTextHandler(testenv.LogWriter(t), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	must(t, err)
	t.Cleanup(func() { _ = cell.Close(context.Background()) })
	made, err := cell.Import(ctx, "op", n)
	must(t, err)
	return &vault{T: t, cell: cell, file: cell.Config.Keys.File, made: made, storm: newStorm(t, cell, made), began: time.Now()}
}

// patience bounds waits: for no machine to be too slow.
const patience = 2 * time.Minute

func (v *vault) eventually(what string, done func() bool) {
	v.Helper()
	testenv.Eventually(v.T, patience, what, done)
}

// keyHost is a host's copy of the keys file.
type keyHost struct {
	t          *testing.T
	name, file string
}

// host has the file as it is now.
func (v *vault) host(name string) *keyHost {
	v.Helper()
	h := &keyHost{v.T, name, filepath.Join(v.TempDir(), "keys.json")}
	h.given(v.file)
	return h
}

// given copies the file to the host, as rsync would: whole, under its name.
func (h *keyHost) given(file string) {
	h.t.Helper()
	text, err := os.ReadFile(file)
	must(h.t, err)
	must(h.t, os.WriteFile(h.file+".new", text, 0o600))
	must(h.t, os.Rename(h.file+".new", h.file))
}

// begins starts the host's worker, and returns its metrics.
func (v *vault) begins(h *keyHost) prometheus.Gatherer {
	v.Helper()
	keys, err := seal.Load(h.file)
	must(v.T, err)
	metrics := prometheus.NewRegistry()
	w, err := v.cell.Start(v.Context(), h.name, func(o *worker.Options) { o.Keys, o.Registry = keys, metrics })
	must(v.T, err)
	v.Cleanup(func() { _ = w.Stop(context.Background()) })
	return metrics
}

// counted is how many values a worker lacked the key of.
func counted(t *testing.T, of prometheus.Gatherer) (n float64) {
	t.Helper()
	families, err := of.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == "regrant_unknown_key_total" {
			n += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// operator has the keys as the file has them now.
func (v *vault) operator() *seal.Keys {
	v.Helper()
	keys, err := seal.Load(v.file)
	must(v.T, err)
	return keys
}

// edit changes the file and copies it to hosts.
func (v *vault) edit(change func(*seal.Keys) error, to ...*keyHost) {
	v.Helper()
	must(v.T, seal.Edit(v.file, change))
	for _, h := range to {
		h.given(v.file)
	}
}

// rotates does what `worker keys rotate` does, in its two steps. When it returns, each
// worker has the key, and not each has heard yet that it seals.
func (v *vault) rotates(hosts ...*keyHost) {
	v.Helper()
	var id uint32
	v.edit(func(k *seal.Keys) (err error) { id, err = k.Add(time.Now()); return err }, hosts...)
	v.eventually("every worker has the new key", func() bool {
		return v.everyWorker(len(hosts), func(k api.WorkerKeys) bool { return slices.Contains(k.Has, id) })
	})
	v.edit(func(k *seal.Keys) error { return k.Promote(id, time.Now()) }, hosts...)
}

// passes waits until every link of the storm was refreshed once more.
func (v *vault) passes() {
	v.Helper()
	before := v.storm.now()
	v.eventually("every link of the storm is refreshed", func() bool { return v.storm.advanced(stormy(v.made), before) })
}

// everyWorker asks all workers for their keys, as the command does.
func (v *vault) everyWorker(n int, says func(api.WorkerKeys) bool) bool {
	v.Helper()
	replies, err := v.cell.Bus.RequestEveryone(v.Context(), api.VerbKeys, 200*time.Millisecond)
	must(v.T, err)
	yes := 0
	for _, reply := range replies {
		var k api.WorkerKeys
		must(v.T, json.Unmarshal(reply, &k))
		if says(k) {
			yes++
		}
	}
	return yes == n
}

// contended is a store in which a refresh comes between the reseal's read of a link and
// its write, for the first few links.
type contended struct {
	*vault
	links.Store
	left, lost int
}

func (c *contended) Update(ctx context.Context, l links.Link, revision uint64) (uint64, error) {
	if c.left > 0 {
		c.left--
		c.storm.report(ctx, l.Link)
		c.eventually("a refresh comes between", func() bool { return c.storm.now()[l.Link] > l.Generation })
	}
	next, err := c.Store.Update(ctx, l, revision)
	if errors.Is(err, links.ErrConflict) {
		c.lost++
	}
	return next, err
}

// resealsInTheStorm loses to refreshes, and is done all the same.
func (v *vault) resealsInTheStorm() {
	v.Helper()
	const contests = 3
	store := &contended{vault: v, Store: v.cell.Store, left: contests}
	v.reseals(store)
	if store.left > 0 || store.lost < contests {
		v.Errorf("a refresh came between %d times, and %d writes were refused", contests-store.left, store.lost)
	}
}

func (v *vault) resealer(store links.Store) *handlers.Resealer {
	v.Helper()
	flows, err := kvstore.NewFlows(v.Context(), v.cell.Bus.JetStream(), v.cell.Bus.Names().Consents())
	must(v.T, err)
	return &handlers.Resealer{
		Links: store, Scanner: v.cell.Store, Flows: flows, Keys: v.operator(), Patience: v.cell.Config.Budget().Heartbeat,
	}
}

// reseals is one run of `worker keys reseal`, as fast as it can.
func (v *vault) reseals(store links.Store) {
	v.Helper()
	r := v.resealer(store)
	found, err := r.Survey(v.Context(), false, func() {})
	must(v.T, err)
	began := time.Now()
	out, err := r.Run(v.Context(), found, func() {})
	must(v.T, err)
	if out.Failed > 0 {
		v.Errorf("%d records do not open: %v", out.Failed, out.Problem)
	}
	took := time.Since(began)
	v.Logf("resealed %d records of %d under other keys, %.0f a second; %d were being refreshed each time", out.Links, found.Left(), float64(out.Links)/took.Seconds(), out.Busy)
}

// destroys gives up keys that nothing needs any more.
func (v *vault) destroys(old []uint32, hosts ...*keyHost) {
	v.Helper()
	s, err := v.resealer(v.cell.Store).Survey(v.Context(), true, func() {})
	must(v.T, err)
	held, err := spool.Held(worker.SpoolOf(v.cell.Config))
	must(v.T, err)
	if s.Left() > 0 || s.Values[v.operator().Primary()] != len(v.made) || len(held) > 0 {
		v.Fatalf("%d records and %d answers need an old key still; the values are %v", s.Left(), len(held), s.Values)
	}
	for _, id := range old {
		v.edit(func(k *seal.Keys) error { return k.Destroy(id, time.Now()) }, hosts...)
	}
	v.eventually("every worker gave them up", func() bool {
		return v.everyWorker(len(hosts), func(k api.WorkerKeys) bool { return len(k.Has) == 1 && k.Has[0] == k.Primary })
	})
}
