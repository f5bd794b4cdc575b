package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/links/kvstore"
)

// gates are the consumers of each app. While an app is suspended nothing is pulled
// for its providers but what probes it: a message that cannot be served is better
// left in its stream than handed round.
type gates struct {
	mu        sync.Mutex
	keeper    *apps.Keeper
	ready     chan struct{} // closed: keeper is set
	consumers map[string][]*bus.Consumer
	probing   sync.WaitGroup
	ctx       context.Context
	stop      context.CancelFunc
	interval  time.Duration // between two probes: one may take so long
}

func newGates(ctx context.Context, interval time.Duration) *gates {
	g := &gates{consumers: map[string][]*bus.Consumer{}, ready: make(chan struct{}), interval: interval}
	g.ctx, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	return g
}

// add puts a consumer under the state of an app.
func (g *gates) add(app string, c *bus.Consumer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.consumers[app] = append(g.consumers[app], c)
	if a, ok := g.keeper.App(app); ok && a.Suspended() {
		c.Pause()
	}
}

// changed pauses or resumes what is pulled for an app.
func (g *gates) changed(a apps.App) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.consumers[a.Name] {
		if a.Suspended() {
			c.Pause()
		} else {
			c.Resume()
		}
	}
}

// probe pulls messages, one after the other, until one of them has made the
// attempt that this worker may make, or its time is over. Most messages make none.
func (g *gates) probe(app string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return
	}
	g.probing.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, g.interval)
		defer cancel()
		select {
		case <-g.ready:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil && g.keeper.Untaken(app) {
			g.pullOne(ctx, app)
		}
	})
}

// pullOne asks all consumers of an app at once: which of them has a message that
// makes an attempt is not known.
func (g *gates) pullOne(ctx context.Context, app string) {
	g.mu.Lock()
	consumers := slices.Clone(g.consumers[app])
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, probePull)
	defer cancel()
	if len(consumers) == 0 {
		<-ctx.Done() // the worker has just begun
	}
	var all sync.WaitGroup
	for _, c := range consumers {
		all.Go(func() { _, _ = c.One(ctx) })
	}
	all.Wait()
}

// probePull is how long one message is waited for before it is looked whether the
// probe has been made meanwhile.
const probePull = 5 * time.Second

func (g *gates) end() {
	g.mu.Lock()
	g.stop()
	g.mu.Unlock()
	g.probing.Wait()
}

// watchApps learns the state of all apps, before anything is consumed.
func (w *Worker) watchApps(ctx context.Context, c config.Config) error {
	store, err := kvstore.NewApps(ctx, w.bus.JetStream(), w.bus.Names().Apps())
	if err != nil {
		return err
	}
	w.gates = newGates(ctx, c.Budget().Probe)
	w.apps, err = apps.Start(ctx, apps.Config{
		Apps: appNames(c), Worker: w.id, Store: store, Budget: c.Budget(), Now: w.now, Log: w.log,
		Changed: w.gates.changed, Probing: w.gates.probe, Breaker: w.counters.broke,
	})
	if err != nil {
		return fmt.Errorf("state of the apps: %w", err)
	}
	w.gates.keeper = w.apps
	close(w.gates.ready)
	return nil
}

// appNames are the registrations of a configuration.
func appNames(c config.Config) []string {
	var names []string
	for _, provider := range c.ProviderNames() {
		if app := c.Providers[provider].AppOf(provider); !slices.Contains(names, app) {
			names = append(names, app)
		}
	}
	return names
}
