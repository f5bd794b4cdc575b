package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/spool"
	"github.com/regrant/regrant/tracing"
)

// Options are what a worker needs beside the configuration file.
type Options struct {
	// Config with its defaults filled in; NATS.URL and Redis.URL must be set, also
	// when the servers are embedded.
	Config config.Config
	Keys   *seal.Keys
	// ID names this worker; left out: host name and a ULID, new at every start.
	ID  string
	Log *slog.Logger
	// Registry takes the metrics; nil: none are registered.
	Registry prometheus.Registerer
	// Version of the program, for regrant_build_info.
	Version string
	// Tracer takes the spans; its zero value takes none.
	Tracer tracing.Tracer
	// Probe is for tests: see handlers.Probe.
	Probe handlers.Probe
	// Clock is for tests: this host's clock, where it is to be wrong. nil: time.Now.
	Clock func() time.Time
}

// Worker is a running worker.
type Worker struct {
	id        string
	log       *slog.Logger
	bus       *bus.Bus
	redis     redis.UniversalClient
	locks     *locks.Redis
	spool     *spool.Spool
	keyring   *keyring
	providers map[string]*providers.Provider
	store     *kvstore.Store
	flows     *kvstore.Flows
	apps      *apps.Keeper
	limits    *limits.Limiter
	gates     *gates
	handlers  *handlers.Handlers
	counters  *counters
	service   *bus.Service
	teller    *bus.Teller
	repeats   *audit.Repeats
	probe     handlers.Probe
	now       func() time.Time
	consumers []*bus.Consumer
	unlisten  func()

	background sync.WaitGroup
	stop       context.CancelFunc
	stopping   sync.Once
	stopped    error
}

// ID returns a worker id that no other process has.
func ID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("%.30s-%s", host, ulid.Make())
}

// Start connects, verifies that everything it needs is provisioned, finishes
// what an earlier life left in the spool, and begins to take work. An error
// leaves nothing running.
func Start(ctx context.Context, o Options) (w *Worker, err error) {
	if o.ID == "" {
		o.ID = ID()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	w = &Worker{id: o.ID, probe: o.Probe, now: o.Clock, log: o.Log.With("worker", o.ID), providers: map[string]*providers.Provider{}, unlisten: func() {}, stop: func() {}}
	defer func() {
		if err != nil {
			_ = w.Stop(context.WithoutCancel(ctx))
			w = nil
		}
	}()
	w.counters = newCounters(o)
	if err := w.connect(ctx, o); err != nil {
		return w, err
	}
	if err := w.assemble(o); err != nil {
		return w, err
	}
	return w, w.begin(ctx, o)
}

// connect reaches the servers and the disk.
func (w *Worker) connect(ctx context.Context, o Options) (err error) {
	c := o.Config
	w.bus, err = bus.Connect(ctx, bus.Config{
		URL: c.NATS.URL, Creds: c.NATS.Creds, Prefix: c.NATS.Prefix, Name: w.id, Budget: c.Budget(), Now: o.Clock, Log: w.log,
	})
	if err != nil {
		return err
	}
	if err := w.bus.Verify(ctx, Plan(c)); err != nil {
		return err
	}
	if w.store, err = Store(ctx, w.bus); err != nil {
		return err
	}
	if w.flows, err = kvstore.NewFlows(ctx, w.bus.JetStream(), w.bus.Names().Consents()); err != nil {
		return err
	}
	if err := w.watchApps(ctx, c); err != nil {
		return err
	}
	if w.redis, err = locks.Dial(c.Redis.URL, c.Budget()); err != nil {
		return fmt.Errorf("%w: redis.url: %w", config.ErrConfig, err)
	}
	w.redis.AddHook(redisErrors{w.counters.redis})
	w.locks = locks.New(w.redis, locks.Config{Worker: w.id, Budget: c.Budget(), Prefix: c.NATS.Prefix, Log: w.log})
	w.limits = limits.New(w.redis, limits.Config{Worker: w.id, Prefix: c.NATS.Prefix, Budget: c.Budget(), Now: o.Clock, Log: w.log})
	w.spool, err = spool.Open(SpoolOf(c), w.id)
	return err
}

// Store opens the link store of a cell.
func Store(ctx context.Context, b *bus.Bus) (*kvstore.Store, error) {
	names := b.Names()
	return kvstore.New(ctx, b.JetStream(), kvstore.Buckets{Links: names.Links(), Index: names.Index()})
}

// Plan is what a cell with this configuration consists of.
func Plan(c config.Config) bus.Plan {
	return bus.Plan{Prefix: c.NATS.Prefix, Providers: c.ProviderNames(), Replicas: c.NATS.Replicas, Budget: c.Budget()}
}

// Source is the CloudEvents source of a cell's output events. It names the cell
// and not the worker: whoever announces a change, it is the same event.
func Source(prefix string) string { return "//regrant/" + prefix }

func (w *Worker) assemble(o Options) (err error) {
	c := o.Config
	configured := map[string]handlers.Provider{}
	for _, name := range c.ProviderNames() {
		p, err := providers.New(name, c.Providers[name], providers.Options{Budget: c.Budget(), Clock: o.Clock, Log: w.log, BaseDir: c.Dir})
		if err != nil {
			return fmt.Errorf("%w: %w", config.ErrConfig, err)
		}
		w.providers[name], configured[name] = p, p
	}
	m := handlers.NewMetrics(o.Registry)
	if w.teller, err = w.bus.Teller(bus.TellerConfig{Lost: m.AuditLost.Inc}); err != nil {
		return err
	}
	w.repeats = audit.NewRepeats(w.teller)
	w.keyring = newKeyring(o)
	w.handlers, err = handlers.New(handlers.Config{
		Worker: w.id, Source: Source(c.NATS.Prefix), Subjects: w.bus.Names().Subjects(), Tenants: c.Tenants, Providers: configured,
		Store: w.store, Index: w.store, Flows: w.flows, Keys: o.Keys, Spool: w.spool, Locker: w.locks, Timers: timers{w.bus}, Outputs: outputs{w.bus}, Forward: w.bus.PublishInput, Credentials: w.bus.AskCredentials,
		Apps: w.apps, Spike: &apps.Spike{Keeper: w.apps, Counter: limits.NewTally(w.limits)}, Limits: limited{w.limits, ratesOf(c), o.Clock},
		Budget: c.Budget(), Clock: o.Clock, StoreClock: w.bus.Now, Log: w.log, Metrics: m, Audit: w.repeats, Tracer: o.Tracer, Probe: o.Probe,
	})
	return err
}

// begin starts the goroutines: the feed first, so that no stored event is missed
// while work is under way.
func (w *Worker) begin(ctx context.Context, o Options) (err error) {
	if w.unlisten, err = w.bus.Live(ctx, w.handlers.Learn); err != nil {
		return err
	}
	if err := w.handlers.Adopt(ctx); err != nil {
		w.log.Warn("not every spooled answer could be finished; trying again", "err", err)
	}
	for _, name := range o.Config.ProviderNames() {
		p := w.providers[name].Profile()
		if err := w.consume(ctx, name, p.AppOf(name), p.Concurrency); err != nil {
			return err
		}
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	if w.service, err = w.bus.Serve(background, serviceSpec(w.handlers, w.counters, w.keyring)); err != nil {
		return err
	}
	b := o.Config.Budget()
	if o.Registry != nil {
		o.Registry.MustRegister(&scrape{w: w, apps: appNames(o.Config), now: o.Clock})
	}
	w.background.Go(func() { w.adoptEvery(background, b.Adopt) })
	w.background.Go(func() { w.follow(background, b.LockTTL) })
	w.background.Go(func() { w.reconcile(background, b.Patience) })
	return nil
}

// consume takes the inputs and the fired timers of one provider, so that a slow
// provider holds up nobody else's links.
func (w *Worker) consume(ctx context.Context, provider, app string, slots int) error {
	names := w.bus.Names()
	for _, spec := range []bus.ConsumerSpec{
		{Stream: names.In(), Durable: names.WorkerConsumer(provider), Slots: slots, Handler: w.handlers.Inputs(), Settled: w.settled(provider, inputOf)},
		{Stream: names.Timer(), Durable: names.DueConsumer(provider), Slots: slots, Handler: w.handlers.Dues(), Settled: w.settled(provider, events.Subjects.ParseDue)},
	} {
		c, err := w.bus.Consume(context.WithoutCancel(ctx), spec)
		if err != nil {
			return err
		}
		w.consumers = append(w.consumers, c)
		w.gates.add(app, c)
	}
	return nil
}

func (w *Worker) adoptEvery(ctx context.Context, every time.Duration) {
	for tick(ctx, every) {
		if err := w.handlers.Adopt(ctx); err != nil {
			w.log.Warn("not every spooled answer could be finished; trying again", "err", err)
		}
		w.handlers.RaiseApps(ctx)
		w.repeats.Sweep(w.now())
	}
}

// Ready says why the worker cannot take work, or nil.
func (w *Worker) Ready() error { return w.bus.Ready() }

// Stop stops pulling, waits for the messages in work, which includes provider
// calls and their save, and closes everything. If ctx ends first, what is still
// under way is left to the spool and to redelivery. It may be called more than
// once and after a failed Start.
func (w *Worker) Stop(ctx context.Context) error {
	w.stopping.Do(func() { w.stopped = w.shutdown(ctx) })
	return w.stopped
}

func (w *Worker) shutdown(ctx context.Context) error {
	if w.gates != nil {
		w.gates.end()
	}
	var wg sync.WaitGroup
	errs := make([]error, len(w.consumers)+1)
	for i, c := range w.consumers {
		wg.Go(func() { errs[i] = c.Stop(ctx) })
	}
	if w.service != nil {
		w.handlers.StopWaiting()
		wg.Go(func() { errs[len(w.consumers)] = w.service.Stop(ctx) })
	}
	w.stop()
	wg.Wait()
	err := errors.Join(append(errs, w.awaitBackground(ctx))...)
	w.unlisten()
	if w.teller != nil {
		w.repeats.Flush()
		w.teller.Stop(ctx)
	}
	if w.apps != nil {
		w.apps.Stop()
	}
	for _, p := range w.providers {
		p.Close()
	}
	if w.spool != nil {
		err = errors.Join(err, w.spool.Close())
	}
	if w.limits != nil {
		w.limits.Close()
	}
	if w.locks != nil {
		w.locks.Close()
		err = errors.Join(err, w.redis.Close())
	}
	if w.bus != nil {
		err = errors.Join(err, w.bus.Close(ctx))
	}
	return err
}

// awaitBackground waits for adoption and reconciling: what they have begun, which
// may be a provider call, they finish. Past ctx it is left to end by itself, on
// connections that are closed under it.
func (w *Worker) awaitBackground(ctx context.Context) error {
	done := make(chan struct{})
	go func() { defer close(done); w.background.Wait() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop: adoption or reconciling is still at work: %w", context.Cause(ctx))
	}
}

// tick waits for d and says whether ctx still runs.
func tick(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
