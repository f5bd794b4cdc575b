package apps

import (
	"context"
	"time"
)

// probe takes probes of suspended apps when they are due. All workers try, a
// little apart; the compare-and-set lets one of them win.
func (k *Keeper) probe(ctx context.Context) {
	for {
		app, wait := k.nextProbe()
		if app != "" && wait <= 0 {
			k.takeProbe(ctx, app)
			continue
		}
		if !k.rest(ctx, app != "", wait) {
			return
		}
	}
}

// rest waits until a probe may be due; false: ctx has ended.
func (k *Keeper) rest(ctx context.Context, some bool, wait time.Duration) bool {
	var due <-chan time.Time
	if some {
		timer := time.NewTimer(wait + time.Duration(k.cfg.Random()*float64(k.cfg.Budget.LockRenew)))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-k.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// nextProbe is the suspended app whose probe is due first, and in how long.
func (k *Keeper) nextProbe() (app string, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.cfg.Now()
	for name, s := range k.apps {
		if !s.stored.App.Suspended() {
			continue
		}
		if due := s.stored.App.Due(s.probed, now, k.cfg.Budget.Probe); app == "" || due < wait {
			app, wait = name, due
		}
	}
	return app, wait
}

// takeProbe makes the ticket ours, unless another worker was faster: then its
// record has told so by now.
func (k *Keeper) takeProbe(ctx context.Context, app string) {
	bounded, cancel := context.WithTimeout(ctx, k.cfg.Budget.Recovery)
	defer cancel()
	a, won, err := k.change(bounded, app, func(is App, s *state) (App, bool) {
		if is.Due(s.probed, k.cfg.Now(), k.cfg.Budget.Probe) > 0 {
			return is, false
		}
		return is.Probe(k.cfg.Worker, k.cfg.Now(), k.cfg.Budget.Probe)
	})
	if err != nil {
		k.log.Warn("the probe of a suspended app could not be taken; trying again", "app", app, "err", err)
		k.rest(ctx, true, k.cfg.Budget.LockRenew)
		return
	}
	if won && k.grant(a) && k.cfg.Probing != nil {
		k.log.Info("probing a suspended app with one link", "app", app, "probe", a.Probes, "reason", a.Reason)
		k.cfg.Probing(app)
	}
}

// grant puts the ticket where Admit finds it.
func (k *Keeper) grant(a App) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, is := k.apps[a.Name], k.apps[a.Name].stored.App
	if !is.Suspended() || is.Episode != a.Episode || is.Probes != a.Probes {
		return false
	}
	s.ticket = a.Probes
	return true
}

// Untaken says that this worker has won the probe of a suspended app and has not
// made it yet.
func (k *Keeper) Untaken(app string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.apps[app]
	return ok && s.ticket != 0
}
