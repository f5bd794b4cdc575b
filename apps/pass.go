package apps

import (
	"context"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
)

// Pass is the permission for one attempt with an app's registration. Exactly one
// of Worked, Faulted, Troubled and Release ends it; whatever is called afterwards
// is without effect, so that Release can be deferred.
type Pass struct {
	keeper *Keeper
	app    string
	// era is the episode in which the pass was given.
	era   uint64
	probe uint64 // the number of the probe that this is; 0: it is none
	trial bool
	done  func(error)
	once  sync.Once
}

// Probe says that the pass is the one probe of a suspended app.
func (p *Pass) Probe() bool { return p.probe != 0 }

// Admit answers whether an attempt may be made now. If not, the pass is nil, and
// wait is how long to stay away. It does no I/O. It may wait, one Heartbeat at most,
// for the answer to another attempt of this process (see trial).
func (k *Keeper) Admit(ctx context.Context, app string) (pass *Pass, wait time.Duration) {
	patience := time.NewTimer(k.cfg.Budget.Heartbeat)
	defer patience.Stop()
	for patient := true; ; {
		pass, wait, news := k.admit(app, patient)
		if news == nil {
			return pass, wait
		}
		came := k.cfg.Now()
		select {
		case <-news:
			patient = await(ctx, k.afterTrial(app, came), patience.C)
		case <-patience.C:
			patient = false
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, k.cfg.Budget.LockRenew
		}
	}
}

// await waits, and says whether it did so to the end.
func await(ctx context.Context, d time.Duration, over <-chan time.Time) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
	case <-ctx.Done():
	}
	return false
}

// afterTrial is for how much longer somebody waits who came at a time.
func (k *Keeper) afterTrial(app string, came time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.apps[app]
	if now := k.cfg.Now(); ok && !s.trial.needed(now, k.cfg.Budget.Probe) {
		return s.trial.took - now.Sub(came)
	}
	return 0
}

// admit decides, or names what to wait for.
func (k *Keeper) admit(app string, patient bool) (*Pass, time.Duration, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.apps[app]
	if !ok {
		return &Pass{keeper: k, app: app, done: func(error) {}}, 0, nil // nothing is known against it
	}
	now := k.cfg.Now()
	switch {
	case s.stored.App.Suspended():
		return k.admitProbe(s, now)
	case s.barred.After(now):
		return nil, s.barred.Sub(now), nil
	case s.trial.needed(now, k.cfg.Budget.Probe) && s.trial.under && patient:
		return nil, 0, s.news
	}
	done, err := s.circuit.Allow()
	if err != nil {
		return nil, s.wait(k.cfg.Budget.Patience, k.cfg.Budget.LockRenew), nil
	}
	p := &Pass{keeper: k, app: app, era: s.stored.App.Episode, done: done, trial: s.trial.needed(now, k.cfg.Budget.Probe) && !s.trial.under}
	if p.trial {
		s.trial.under, s.trial.began = true, now
	}
	return p, 0, nil
}

// admitProbe gives the ticket away, if there is one. The breaker is not asked:
// once a minute is no burden.
func (k *Keeper) admitProbe(s *state, now time.Time) (*Pass, time.Duration, <-chan struct{}) {
	if s.ticket == 0 {
		return nil, max(s.stored.App.Due(s.probed, now, k.cfg.Budget.Probe), k.cfg.Budget.LockRenew), nil
	}
	p := &Pass{keeper: k, app: s.stored.App.Name, era: s.stored.App.Episode, probe: s.ticket, done: func(error) {}}
	s.ticket = 0
	return p, 0, nil
}

// Release ends a pass with which no attempt was made, or one that says nothing
// about the app. A probe that was not made can be taken again.
func (p *Pass) Release() { p.end(errNeither, func(s *state) { p.giveBack(s) }) }

// giveBack is called with the mutex held.
func (p *Pass) giveBack(s *state) {
	is := s.stored.App
	if p.probe != 0 && is.Suspended() && is.Episode == p.era && is.Probes == p.probe {
		s.ticket = p.probe
	}
}

// Troubled ends a pass whose attempt came to no answer, or to an error of the
// server's own: a time-out, a reset, a 5xx.
func (p *Pass) Troubled() { p.end(errTrouble, nil) }

// Worked ends a pass whose attempt showed that the registration is good, whatever
// became of the grant. resumed is true for the one attempt that ended a suspension,
// which the returned App describes: announce it, then call Keeper.Announced. A
// suspension is ended only by an attempt that was begun during it.
func (p *Pass) Worked(ctx context.Context, link events.Address) (a App, resumed bool, err error) {
	ours := p.end(nil, func(s *state) {
		if s.stored.App.Episode == p.era {
			s.trial.passed = p.keeper.cfg.Now()
		}
	})
	if !ours || p.probe == 0 {
		return App{}, false, nil
	}
	return p.keeper.change(ctx, p.app, func(is App, _ *state) (App, bool) {
		return is.Resume(p.era, link, p.keeper.cfg.Now())
	})
}

// Faulted ends a pass whose attempt was refused for our own fault. first is true
// for the one attempt of all workers that suspended the app: announce it, then call
// Keeper.Announced. Where the record cannot be written, this worker stays away for
// one probe's interval all the same.
func (p *Pass) Faulted(ctx context.Context, reason string, link events.Address) (a App, first bool, err error) {
	ours := p.end(errNeither, func(s *state) {
		if s.stored.App.Episode == p.era && !s.stored.App.Suspended() {
			s.barred = p.keeper.cfg.Now().Add(p.keeper.cfg.Budget.Probe)
		}
		s.trial.reset()
	})
	if !ours {
		return App{}, false, nil
	}
	return p.keeper.suspend(ctx, p.app, p.era, reason, link)
}

// end runs once, and answers whether this was the time: the breaker learns of it,
// and those that wait for a trial.
func (p *Pass) end(result error, also func(*state)) (ours bool) {
	p.once.Do(func() {
		ours = true
		p.done(result)
		p.keeper.mu.Lock()
		defer p.keeper.mu.Unlock()
		s, ok := p.keeper.apps[p.app]
		if !ok {
			return
		}
		if also != nil {
			also(s)
		}
		if p.trial {
			s.trial.under, s.trial.took = false, p.keeper.cfg.Now().Sub(s.trial.began)
			s.tell()
		}
	})
	return ours
}
