package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// store is a real NATS server's, and a copy of it that was made while it was stopped.
type store struct {
	t         *testing.T
	server    *testenv.Process
	dir, copy string
	at        time.Time
}

func newStore(t *testing.T) *store {
	s := &store{t: t, dir: t.TempDir(), copy: filepath.Join(t.TempDir(), "copy")}
	s.server = testenv.RealNATS(t, s.dir, 0)
	return s
}

func (s *store) stop() {
	s.server.Signal(syscall.SIGTERM)
	_ = s.server.Wait() // by the signal, or with a code of its own
}

// backUp copies the store. What comes after it is not in the copy.
func (s *store) backUp() {
	s.t.Helper()
	s.stop()
	if err := os.CopyFS(s.copy, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	s.at = time.Now()
	s.server.Restart()
}

// putBack puts the copy of one part of the store back.
func (s *store) putBack(part string) {
	s.t.Helper()
	s.stop()
	to := filepath.Join(s.dir, part)
	if err := os.RemoveAll(to); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(filepath.Join(s.copy, part))); err != nil {
		s.t.Fatal(err)
	}
	s.server.Restart()
}

// past is a cell whose store was put back, after all links but one were refreshed.
type past struct {
	*testing.T
	cell  *fleet.Cell
	store *store
	// seen will be asked for where it is remembered, gone where nobody remembers; safe may
	// be presented again; since was made on the restored store.
	seen, gone, safe, since fleet.Link
}

// A restored store, whole, and the records alone beside the streams as they were.
func TestARestoredStore(t *testing.T) {
	for name, part := range map[string]string{"whole": "jetstream", "records": "jetstream/$G/streams/KV_regrant_links"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &past{T: t, store: newStore(t)}
			p.cell = p.provisioned()
			registry := prometheus.NewRegistry()
			stop := p.start("ran-through", registry)
			p.store.backUp()
			for _, l := range []fleet.Link{p.seen, p.gone, p.safe} {
				p.refresh(l, 1)
			}
			p.store.putBack(part)
			p.remembered(registry)
			stop()
			p.since = p.imported("op")
			want := map[events.Address]links.Fate{
				p.seen.Address: links.FateMarked, p.gone.Address: links.FateUncertain, p.safe.Address: links.FateGoesOn, p.since.Address: links.FateNewer,
			}
			p.wantFates(want)
			p.start("new", prometheus.NewRegistry())
			p.judged(p.gone)
			p.refresh(p.safe, p.link(p.safe).Generation)
			p.refresh(p.since, 1)
			p.wantShownOnce()
		})
	}
}

func (p *past) provisioned() *fleet.Cell {
	p.Helper()
	safe := hostile(p.T)
	safe.Behaviour.Rotation = providertest.ReusableUntilExpiry
	safe.Profile.Replay.Kind = providers.ReplaySafe
	cell, err := fleet.New(p.Context(), fleet.Options{
		Dir: p.TempDir(), NATSURL: p.store.server.URL, RedisURL: testenv.Redis(p.T), LockTTL: time.Second,
		Providers: map[string]fleet.Provider{"op": hostile(p.T), "safe": safe}, Log: testenv.Log(p.T),
	})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = cell.Close(context.Background()) })
	p.cell = cell
	p.seen, p.gone, p.safe = p.imported("op"), p.imported("op"), p.imported("safe")
	return cell
}

func (p *past) imported(provider string) fleet.Link {
	p.Helper()
	made, err := p.cell.Import(p.Context(), provider, 1)
	if err != nil {
		p.Fatal(err)
	}
	return made[0]
}

func (p *past) start(id string, registry *prometheus.Registry) (stop func()) {
	p.Helper()
	w, err := p.cell.Start(p.Context(), id, func(o *worker.Options) { o.Registry = registry })
	if err != nil {
		p.Fatal(err)
	}
	stop = func() { _ = w.Stop(context.Background()) }
	p.Cleanup(stop)
	return stop
}

func (p *past) report(l fleet.Link, generation uint64) {
	p.Helper()
	m, err := p.cell.Report(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
	if err == nil {
		err = p.cell.Bus.PublishInput(p.Context(), m)
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *past) link(l fleet.Link) links.Link {
	p.Helper()
	is, err := p.cell.Link(p.Context(), l.Address)
	if err != nil {
		p.Fatal(err)
	}
	return is
}

func (p *past) await(l fleet.Link, status links.Status, generation uint64) {
	p.Helper()
	testenv.Eventually(p.T, time.Minute, fmt.Sprintf("%s is %s at generation %d", l.Address, status, generation), func() bool {
		is, err := p.cell.Link(p.Context(), l.Address)
		return err == nil && is.Status == status && is.Generation >= generation
	})
}

func (p *past) refresh(l fleet.Link, generation uint64) {
	p.Helper()
	p.report(l, generation)
	p.await(l, links.Active, generation+1)
}

// remembered: a worker that ran through says that the record is older than what was
// announced, and believes none of it. (A report of the older generation it drops unread.)
func (p *past) remembered(registry *prometheus.Registry) {
	p.Helper()
	p.report(p.seen, 2)
	p.await(p.seen, links.Uncertain, 2)
	all, err := registry.Gather()
	if err != nil {
		p.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == "regrant_store_rolled_back_total" && family.GetMetric()[0].GetCounter().GetValue() == 1 {
			return
		}
	}
	p.Error("regrant_store_rolled_back_total is not 1")
}

// wantFates marks the links as `worker links restored` does, first without writing.
func (p *past) wantFates(want map[events.Address]links.Fate) {
	p.Helper()
	for _, dry := range []bool{true, false} {
		r := worker.Restorer(p.cell.Config, p.cell.Bus, p.cell.Store, p.cell.Keys, p.store.at, 0)
		all, err := r.Links(p.Context(), events.Address{})
		if err != nil || len(all) != len(want) {
			p.Fatalf("%d links, want %d (%v)", len(all), len(want), err)
		}
		err = r.Each(p.Context(), all, dry, func(l handlers.RestoredLink) {
			if l.Fate != want[l.Address] || l.Problem != "" {
				p.Errorf("%s: %s %s, want %s", l.Address, l.Fate, l.Problem, want[l.Address])
			}
		})
		if err != nil {
			p.Fatal(err)
		}
		if is := p.link(p.gone).Status; (is == links.Active) != dry {
			p.Errorf("dry %t, and the link is %s", dry, is)
		}
	}
}

// judged: the old bearer is served until it is refused; then the user is asked, once.
func (p *past) judged(l fleet.Link) {
	p.Helper()
	var got api.Bearer
	if err := p.cell.Bus.Request(p.Context(), p.cell.Bus.Names().Subjects().APILink(l.Address, api.VerbToken), api.Token{}, &got); err != nil || string(got.AccessToken) != l.AccessToken {
		p.Errorf("the old bearer is not served: %v", err)
	}
	generation := p.link(l).Generation
	for range 2 {
		p.report(l, generation)
		p.await(l, links.ConsentRequired, generation)
	}
	spec := bus.WatchSpec{Since: p.store.at, Subject: events.Subjects{}.OutFilter(l.Address, events.NameConsentRequired)}
	h, err := p.cell.Bus.History(p.Context(), spec)
	if err != nil || h.Count != 1 {
		p.Errorf("%d prompts are stored, want 1 (%v)", h.Count, err)
	}
}

// wantShownOnce is the provider's own count (G1).
func (p *past) wantShownOnce() {
	p.Helper()
	ledger, err := p.cell.Sim.Ledger()
	if err != nil {
		p.Fatal(err)
	}
	for _, l := range []fleet.Link{p.seen, p.gone, p.since} {
		if n := len(ledger.Presentations(providertest.Filter{Family: l.Family, Serial: 1})); n != 1 {
			p.Errorf("the first token of %s was presented %d times", l.Address, n)
		}
	}
	if n := p.cell.Sim.Revoked(); n != 0 {
		p.Errorf("%d families were revoked", n)
	}
}
