package apps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Config says which apps a Keeper keeps and who wants to know.
type Config struct {
	// Apps are the names of all apps of this worker.
	Apps []string
	// Worker names this process as the holder of a probe.
	Worker string
	Store  Store
	Budget budget.Budget
	// Changed, if set, is told of every new state of an app, in order: for stopping
	// and resuming consumers. It must not block, nor change an app.
	Changed func(App)
	// Probing, if set, is told that this worker has won the probe of a suspended app:
	// until it is taken, Admit lets one attempt pass. It must not block.
	Probing func(app string)
	// Breaker, if set, is told when the breaker of an app opens or closes. It must
	// not block, nor call the Keeper.
	Breaker func(app string, open bool)
	// Now is this host's clock; nil: time.Now.
	Now func() time.Time
	// Random gives jitter in [0, 1); nil: math/rand.
	Random func() float64
	// Log may be nil.
	Log *slog.Logger
}

// Keeper knows the state of all apps of a worker. It is safe for concurrent use.
type Keeper struct {
	cfg Config
	log *slog.Logger

	// telling is held while Changed runs, so that states come in order.
	telling sync.Mutex
	mu      sync.Mutex
	apps    map[string]*state

	wake    chan struct{} // something may have become due earlier
	stop    context.CancelFunc
	running sync.WaitGroup
}

// state is what this process knows of one app, guarded by the Keeper's mutex.
type state struct {
	stored Stored
	known  bool  // stored was told of at least once
	probed Sight // of the last probe or suspension
	held   Sight // of the hold

	// ticket is the probe that this worker has won and nobody has taken yet: its
	// number, 0 for none.
	ticket uint64
	// barred is until when nothing is admitted although the record, which could not
	// be written, does not say so.
	barred time.Time
	trial  trial
	breaker
	news chan struct{} // closed, and replaced, when waiting in Admit may be over
}

// ErrUnknownApp means that an app is not among those configured.
var ErrUnknownApp = errors.New("app is not configured")

// Start reads the state of all apps, and follows it until Stop. ctx bounds the reads.
func Start(ctx context.Context, cfg Config) (*Keeper, error) {
	k := newKeeper(cfg)
	for name := range k.apps {
		stored, err := cfg.Store.Get(ctx, name)
		switch {
		case errors.Is(err, links.ErrNotFound):
			stored = Stored{App: New(name)}
		case err != nil:
			return nil, fmt.Errorf("read the state of app %s: %w", name, err)
		}
		k.learn(stored)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	k.running.Go(func() { _ = cfg.Store.Watch(background, k.learn) })
	k.running.Go(func() { k.probe(background) })
	return k, nil
}

func newKeeper(cfg Config) *Keeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Budget == (budget.Budget{}) {
		cfg.Budget = budget.Of(budget.Default)
	}
	k := &Keeper{cfg: cfg, log: cfg.Log, apps: map[string]*state{}, wake: make(chan struct{}, 1), stop: func() {}}
	for _, name := range cfg.Apps {
		k.apps[name] = &state{stored: Stored{App: New(name)}, breaker: k.newBreaker(name), news: make(chan struct{})}
	}
	return k
}

// Stop ends the watch and the probing and waits for both. Passes may end later.
func (k *Keeper) Stop() {
	k.stop()
	k.running.Wait()
}

// learn takes in a state of an app, whoever tells it: the watch, or a write of our own.
func (k *Keeper) learn(stored Stored) {
	k.telling.Lock()
	defer k.telling.Unlock()
	if !k.take(stored) {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
	if k.cfg.Changed != nil {
		k.cfg.Changed(stored.App)
	}
}

// take is false for what is not new, or not ours.
func (k *Keeper) take(stored Stored) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ours := k.apps[stored.App.Name]
	if !ours || s.known && stored.Revision <= s.stored.Revision {
		return false
	}
	now, old, is := k.cfg.Now(), s.stored.App, stored.App
	if !s.known || old.Episode != is.Episode || old.Probes != is.Probes {
		s.probed, s.ticket = Sight{At: now, Live: s.known}, 0
	}
	if !s.known || !old.HeldUntil.Equal(is.HeldUntil) {
		s.held = Sight{At: now, Live: s.known}
	}
	if old.Status != is.Status {
		s.trial.reset()
		s.barred = time.Time{}
	}
	s.stored, s.known = stored, true
	s.tell()
	return true
}

// tell wakes those that wait in Admit. The caller holds the mutex.
func (s *state) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// Apps returns the state of all apps as this process knows it.
func (k *Keeper) Apps() []App {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]App, 0, len(k.apps))
	for _, s := range k.apps {
		all = append(all, s.stored.App)
	}
	return all
}

// App returns the state of one app.
func (k *Keeper) App(name string) (App, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.apps[name]
	if !ok {
		return App{}, false
	}
	return s.stored.App, true
}

// change takes a step on a record by compare-and-set, anew as often as somebody
// else comes first. changed says that the change is ours. The step runs with the
// mutex held.
func (k *Keeper) change(ctx context.Context, name string, step func(App, *state) (App, bool)) (is App, changed bool, err error) {
	if _, ours := k.App(name); !ours {
		return App{}, false, fmt.Errorf("%w: %s", ErrUnknownApp, name)
	}
	for {
		stored, err := k.cfg.Store.Get(ctx, name)
		if errors.Is(err, links.ErrNotFound) {
			stored, err = Stored{App: New(name)}, nil
		}
		if err != nil {
			return App{}, false, fmt.Errorf("read the state of app %s: %w", name, err)
		}
		k.learn(stored)
		next, changed := k.step(name, stored.App, step)
		if !changed {
			return stored.App, false, nil
		}
		revision, err := k.write(ctx, next, stored.Revision)
		switch {
		case err == nil:
			k.learn(Stored{App: next, Revision: revision, StoredAt: k.cfg.Now()})
			return next, true, nil
		case !errors.Is(err, links.ErrConflict) && !errors.Is(err, links.ErrExists):
			return App{}, false, fmt.Errorf("write the state of app %s: %w", name, err)
		}
	}
}

func (k *Keeper) step(name string, is App, step func(App, *state) (App, bool)) (App, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return step(is, k.apps[name])
}

func (k *Keeper) write(ctx context.Context, a App, revision uint64) (uint64, error) {
	if revision == 0 {
		return k.cfg.Store.Create(ctx, a)
	}
	return k.cfg.Store.Update(ctx, a, revision)
}

// Announced notes that the event about an app's status is durable, so that nobody
// raises it again. episode and status are those of the App that it was raised for.
func (k *Keeper) Announced(ctx context.Context, a App) error {
	_, _, err := k.change(ctx, a.Name, func(is App, _ *state) (App, bool) { return is.Announce(a.Episode, a.Status) })
	return err
}

// Unannounced lists the apps whose change of status, age ago or more, nobody has
// announced: whoever made it died before the event was durable.
func (k *Keeper) Unannounced(age time.Duration) []App {
	var all []App
	now := k.cfg.Now()
	for _, a := range k.Apps() {
		since := a.Since
		if !a.Suspended() {
			since = a.ResumedAt
		}
		if !a.Announced && now.Sub(since) >= age {
			all = append(all, a)
		}
	}
	return all
}

// Held says whether verdicts on this app's dead grants are held. It does no I/O.
func (k *Keeper) Held(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.apps[name]
	return ok && s.stored.App.HoldsFor(s.held, k.cfg.Now()) > 0
}

// Hold holds verdicts because of a spike, or goes on holding them. first is true
// for one worker of all, who raises the alarm.
func (k *Keeper) Hold(ctx context.Context, name string) (first bool, err error) {
	_, changed, err := k.change(ctx, name, func(is App, s *state) (next App, changed bool) {
		next, first, changed = is.Hold(s.held, k.cfg.Now())
		return next, changed
	})
	return first && changed, err
}

// suspend is the one way into a suspension: first is true for one worker of all.
func (k *Keeper) suspend(ctx context.Context, name string, era uint64, reason string, link events.Address) (App, bool, error) {
	return k.change(ctx, name, func(is App, _ *state) (App, bool) {
		if is.Episode != era {
			return is, false // the answer to an attempt from before another suspension
		}
		return is.Suspend(reason, link, k.cfg.Now(), k.cfg.Budget.Probe)
	})
}
