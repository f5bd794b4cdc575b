package lifetime

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/providers"
)

// Worker is one worker of a world, from Start to Stop.
type Worker struct {
	Name string
	// H is for what services ask of a worker: ConsentBegin, Stage, List.
	H *handlers.Handlers

	world     *World
	disk      *disk
	clock     func() time.Time
	providers []*providers.Provider
	handling  sync.WaitGroup
}

// Start starts a worker whose host's clock is wrong by skew. It looks at once for
// what was lost while no worker ran.
func (w *World) Start(skew time.Duration) *Worker {
	w.t.Helper()
	w.started++
	p := &Worker{
		Name: fmt.Sprint("worker-", w.started), world: w, disk: newDisk(),
		clock: func() time.Time { return time.Now().Add(skew) },
	}
	h, err := handlers.New(p.config())
	if err != nil {
		w.t.Fatal(err)
	}
	p.H = h
	w.queue.join(p)
	p.handling.Go(p.reconcile)
	return p
}

func (p *Worker) config() handlers.Config {
	w := p.world
	log := slog.New(w.journal).With("worker", p.Name)
	configured := map[string]handlers.Provider{}
	for name, profile := range w.profiles {
		provider, err := providers.New(name, profile, providers.Options{
			Budget: w.budget, Clock: p.clock, Log: log, Dial: w.wire.dial,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		p.providers, configured[name] = append(p.providers, provider), provider
	}
	cfg := handlers.Config{
		Worker: p.Name, Source: source, Tenants: []string{Tenant}, Providers: configured,
		Store: w.Links, Index: w.Links, Flows: w.flows, Keys: keys(), Spool: p.disk, Locker: w.locker,
		Timers: w.timers, Outputs: w.outputs, Forward: w.queue.publish, Credentials: w.credentials,
		Budget: w.budget, Clock: p.clock, Log: log,
		StoreClock: func(context.Context) (time.Time, error) { return w.clock.now(), nil },
	}
	if w.configure != nil {
		w.configure(&cfg)
	}
	return cfg
}

// handle is one delivery, as a consumer of the bus handles it.
func (p *Worker) handle(m *inbox.Message) inbox.Verdict {
	if poison(m) {
		return inbox.Dead("poison", "")
	}
	if m.Stream == timerStream {
		return attend(p.H.Dues(), m)
	}
	return attend(p.H.Inputs(), m)
}

func attend(h interface {
	Peek(*inbox.Message) (inbox.Verdict, bool)
	Handle(context.Context, *inbox.Message) inbox.Verdict
}, m *inbox.Message) inbox.Verdict {
	if v, ok := h.Peek(m); ok {
		return v
	}
	return h.Handle(context.Background(), m)
}

// reconcile scans all links, like a worker's own reconciler at start and daily.
func (p *Worker) reconcile() {
	r := p.H.NewReconciler(p.world.Links, 0)
	if err := r.Scan(context.Background(), true); err != nil {
		p.world.t.Errorf("%s: reconcile: %v", p.Name, err)
	}
}

// Stop takes no more messages and waits for those in work.
func (p *Worker) Stop() {
	p.world.queue.leave(p)
	p.handling.Wait()
	for _, provider := range p.providers {
		provider.Close()
	}
	if n := p.disk.left(); n > 0 {
		p.world.t.Errorf("%s: %d answers were saved and never finished", p.Name, n)
	}
}
