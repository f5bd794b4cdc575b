package lifetime

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/seal"
)

// Tenant is the one that every link of a world belongs to.
const Tenant = "default"

// Day is 24 hours.
const Day = 24 * time.Hour

const source = "//regrant/lifetime"

// keys seal for every world: to make them takes longer than many a test.
var keys = sync.OnceValue(func() *seal.Keys {
	k, err := seal.Generate()
	if err != nil {
		panic(err)
	}
	return k
})

// System is one simulated provider and what Regrant believes of it.
type System struct {
	Behaviour providertest.Behaviour
	// Profile is laid over with the simulator's addresses and credentials.
	Profile providers.Profile
}

// Named is a system by its name: the built-in profile, and the simulator's
// semantics of that name. Changes are made to both before the world begins.
func Named(t testing.TB, name string, changes ...func(*System)) System {
	t.Helper()
	profile, err := providers.Builtin(name)
	behaviour, err2 := providertest.Named(name)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	s := System{Behaviour: behaviour, Profile: profile}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// Options describe a world.
type Options struct {
	// Systems by the name of the provider.
	Systems map[string]System
	// Brief is for populations: no bodies of token-rotated are kept, no ledger on disk,
	// and of the log only the first warnings of each kind. Full scans are rarer.
	Brief bool
	// Bend changes the fields of every answer of a token endpoint on its way to the
	// workers; may be nil.
	Bend func(fields map[string]any)
	// Configure changes what a worker is made with; may be nil.
	Configure func(*handlers.Config)
}

// World is a cell with its providers, all in one bubble.
type World struct {
	// Sim is the other side, and its ledger the judge.
	Sim *providertest.Server
	// Links are the records.
	Links *memstore.Store

	t         testing.TB
	budget    budget.Budget
	wire      *wire
	clock     *storeClock
	profiles  map[string]providers.Profile
	flows     *memstore.Flows
	locker    *locker
	queue     *queue
	timers    *timers
	outputs   *outputs
	journal   *journal
	sessions  sync.Map // user → handlers.Credential
	configure func(*handlers.Config)
	started   int
	inputs    atomic.Uint64
	asked     atomic.Int64
	web       *http.Client
	bender    *bender // nil: nothing is bent
	watch     []func(Told)
	login     sync.Mutex // held from Sim.Login to the visit that it is for
	heard     sync.Map   // link → []*Service
	bearers   *bearers
	families  sync.Map      // family at the provider → link that it was consented for
	scans     time.Duration // between two full scans
	closing   chan struct{}
	daily     sync.WaitGroup
}

// Run runs a test in a world of its own, with one worker. The t that test gets is
// the bubble's: it has no Run and no Parallel.
func Run(t *testing.T, o Options, test func(t *testing.T, w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := New(t, o)
		defer w.Close()
		w.Start(0)
		test(t, w)
	})
}

// New makes a world without workers. Call it in a bubble, and Close it there.
func New(t testing.TB, o Options) *World {
	t.Helper()
	clock := &storeClock{}
	w := &World{
		t: t, budget: budget.Of(budget.Default), wire: newWire(), clock: clock, profiles: map[string]providers.Profile{},
		Links: memstore.New(clock.now), flows: memstore.NewFlows(clock.now), locker: newLocker(),
		queue: newQueue(clock), outputs: newOutputs(events.Subjects{}), journal: newJournal(o.Brief),
		bearers: newBearers(), scans: Day, configure: o.Configure, closing: make(chan struct{}),
	}
	if o.Brief {
		w.scans = 10 * Day
	}
	w.timers = newTimers(events.Subjects{}, w.queue)
	w.outputs.brief, w.outputs.heard = o.Brief, w.hear
	w.web = &http.Client{Transport: &http.Transport{DialContext: w.wire.dial}, CheckRedirect: stay}
	w.simulate(o)
	w.daily.Go(w.reconcileDaily)
	return w
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (w *World) simulate(o Options) {
	behaviours := map[string]providertest.Behaviour{}
	for name, s := range o.Systems {
		behaviours[name] = s.Behaviour
	}
	dir := w.t.TempDir()
	listener := w.wire
	if o.Bend != nil {
		listener = newWire()
		w.bender = bend(w.wire, listener, o.Bend)
	}
	sim, err := providertest.Start(providertest.Config{
		Dir: dir, Volatile: o.Brief, Listener: listener, Providers: behaviours,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Sim = sim
	for name, s := range o.Systems {
		w.profiles[name] = w.profile(dir, name, s.Profile)
	}
}

// profile lays the simulator's addresses and credentials over what is believed of it.
func (w *World) profile(dir, name string, p providers.Profile) providers.Profile {
	at := w.Sim.Endpoints(name)
	p.Issuer, p.TokenURL, p.AuthorizeURL, p.RevocationURL, p.ClientID = at.Issuer, at.TokenURL, at.AuthorizeURL, at.RevocationURL, at.ClientID
	p.AccountsURL, p.AccountsIDs, p.AccountsNext = at.AccountsURL, "/accounts/*/accountId", "/links/next"
	p.CustomerURL, p.CustomerIDs = at.CustomerURL, []string{"/customerId"}
	p.JWKSURL, p.UserinfoURL = at.JWKSURL, at.UserinfoURL
	if len(p.IDTokenAlgs) == 0 {
		p.JWKSURL = ""
	}
	p.AuthStyle, p.CodeAuthStyle, p.AllowLoopback = providers.AuthStyle(at.AuthStyle), providers.AuthStyle(at.CodeAuthStyle), true
	p.ClientSecretFile = filepath.Join(dir, name+".secret")
	if err := os.WriteFile(p.ClientSecretFile, []byte(at.ClientSecret), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// Close ends the world. A worker's answer that was saved and never finished fails
// the test.
func (w *World) Close() {
	close(w.closing)
	w.daily.Wait()
	w.queue.stop()
	for _, p := range w.queue.running() {
		p.Stop()
	}
	w.web.CloseIdleConnections()
	if w.bender != nil {
		w.bender.close()
	}
	if err := w.Sim.Close(); err != nil {
		w.t.Error(err)
	}
}

// reconcileDaily is the full scan that one worker of a cell makes once a day; in a
// population once in ten days, because decoding it all would be a third of the work.
func (w *World) reconcileDaily() {
	for {
		select {
		case <-w.closing:
			return
		case <-time.After(w.scans):
		}
		if all := w.queue.running(); len(all) > 0 {
			all[0].reconcile()
		}
	}
}

// Watch calls see with every event at the moment at which it is stored. Call it
// before anything happens.
func (w *World) Watch(see func(Told)) { w.watch = append(w.watch, see) }

// Reprofile changes what workers that are started from now on believe of a provider.
func (w *World) Reprofile(provider string, change func(*providers.Profile)) {
	p := w.profiles[provider]
	change(&p)
	w.profiles[provider] = p
}

// Workers are those that run.
func (w *World) Workers() []*Worker { return w.queue.running() }

// StopAll is an outage of every worker.
func (w *World) StopAll() {
	for _, p := range w.queue.running() {
		p.Stop()
	}
}

// LoseTimers forgets every timer that is armed.
func (w *World) LoseTimers() { w.timers.lose() }

// Pass lets time pass, and what begins in it come to rest.
func (w *World) Pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Link is a record as it is.
func (w *World) Link(a events.Address) links.Link {
	w.t.Helper()
	s, err := w.Links.Latest(context.Background(), a)
	if err != nil {
		w.t.Fatalf("%s: %v", a, err)
	}
	return s.Link
}

// Profile is what the world's workers believe of a provider.
func (w *World) Profile(provider string) providers.Profile { return w.profiles[provider] }

// Unsettled counts the inputs and fired timers that nobody has acked.
func (w *World) Unsettled() int { return w.queue.unsettled() }

// DeadLetters are the inputs that were given up.
func (w *World) DeadLetters() []DeadLetter {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	return append([]DeadLetter(nil), w.queue.letters...)
}

// hear shows a stored event to every worker and to the services of its link.
func (w *World) hear(t Told, header map[string][]string) {
	w.bearers.drop(t.Address)
	for _, p := range w.queue.running() {
		p.H.Learn(t.Address, header)
	}
	for _, see := range w.watch {
		see(t)
	}
	if t.Name != events.NameTokenRotated {
		return
	}
	w.services(t.Address, func(s *Service) { s.hear(t) })
}
