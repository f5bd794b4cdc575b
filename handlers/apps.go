package handlers

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// Limiter spreads an app's requests over time, for the whole fleet.
type Limiter interface {
	// Take takes one request out of the app's rate, or says how long there is none.
	Take(ctx context.Context, app string) time.Duration
	// Resting is how long the app is known, in memory, to be left alone.
	Resting(app string) time.Duration
	// Pause lets nobody of the fleet take one for a while: the server asked for it.
	Pause(ctx context.Context, app string, d time.Duration)
}

// admitted is the permission for one attempt with an app's registration.
type admitted struct {
	app  string
	pass *apps.Pass // nil: nobody watches the apps
}

// admit asks whether an attempt may be made with the link's registration now: not
// while the app is suspended, its server does not answer, or its rate is used up. A
// short wait for the rate is made here, on the handler's slot: a queue of a
// provider's links is to be no longer than its slots.
func (h *Handlers) admit(ctx context.Context, j *job) (admitted, inbox.Verdict, bool) {
	ad := admitted{app: h.Providers[j.addr.Provider].Profile().AppOf(j.addr.Provider)}
	if h.Apps != nil {
		pass, wait := h.Apps.Admit(ctx, ad.app)
		if pass == nil {
			return ad, inbox.Later(h.spread(wait)), false
		}
		ad.pass = pass
	}
	for h.Limits != nil {
		wait := h.Limits.Take(ctx, ad.app)
		if wait <= 0 {
			break
		}
		if wait > h.Budget.LockRenew || ctx.Err() != nil {
			ad.release()
			return ad, inbox.Later(h.spread(wait)), false
		}
		await(ctx, nil, wait)
	}
	return ad, inbox.Verdict{}, true
}

// resting puts back what can only wait, before anything is decoded, locked or read
// for it: thousands of links may be due at a provider that asked to be left alone.
func (h *Handlers) resting(a events.Address) (inbox.Verdict, bool) {
	p := h.Providers[a.Provider]
	if h.Limits == nil || p == nil {
		return inbox.Verdict{}, false
	}
	rest := h.Limits.Resting(p.Profile().AppOf(a.Provider))
	return inbox.Later(h.spread(rest)), rest > h.Budget.LockRenew
}

// spread lengthens a pause by up to a half: everybody was told the same moment.
func (h *Handlers) spread(d time.Duration) time.Duration {
	return max(d+time.Duration(float64(d)*h.Random()/2), time.Millisecond)
}

func (ad admitted) release() {
	if ad.pass != nil {
		ad.pass.Release()
	}
}

// outcome tells the app what became of an attempt with its registration, and raises
// the event that this one attempt of all may have to raise. What is noted here
// concerns no link's record.
func (h *Handlers) outcome(ctx context.Context, j *job, ad admitted, r providers.Request, o providers.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Budget.Recovery)
	defer cancel()
	defer func() {
		if o.Class == providers.GrantDead && r.Grant == providers.GrantPassword && !h.held(j.addr) {
			h.lockout.add(j.addr, credentials.Credential{Username: r.Username, Password: r.Password}, h.Clock())
		}
	}()
	if o.Class == providers.Refused && h.Limits != nil {
		h.Limits.Pause(ctx, ad.app, o.RetryAfter)
	}
	if o.Class == providers.OK || o.Class == providers.GrantDead {
		h.count(ctx, j.addr, ad.app, o.Class == providers.GrantDead)
	}
	if ad.pass == nil {
		return
	}
	defer ad.pass.Release()
	var (
		changed apps.App
		raise   bool
		err     error
	)
	switch o.Class {
	case providers.OK, providers.GrantDead:
		changed, raise, err = ad.pass.Worked(ctx, j.addr)
	case providers.OurFault:
		changed, raise, err = ad.pass.Faulted(ctx, cmp.Or(o.Code, "refused"), j.addr)
	case providers.Ambiguous, providers.NotSent:
		ad.pass.Troubled()
	}
	if err != nil {
		h.logger(j.addr).Warn("the state of an app was not written; this worker keeps to it by itself", "app", ad.app, "err", err)
	}
	if raise {
		h.raise(ctx, changed)
	}
}

// raise announces a change of an app's state, in the outbox of the link whose
// attempt showed it. Whoever dies before leaves it to RaiseApps.
func (h *Handlers) raise(ctx context.Context, a apps.App) {
	log := h.logger(a.Link).With("app", a.Name, "reason", a.Reason)
	l, err := h.change(ctx, a.Link, StepJudge, func(l links.Link) (links.Link, error) {
		return l.Say(appEvent(a), h.origin(events.Trace{}), h.Clock()), nil
	})
	if err == nil {
		err = h.fin.finish(ctx, l, everythingMayBeStored, true)
	}
	if err == nil || errors.Is(err, links.ErrNotFound) {
		err = h.Apps.Announced(ctx, a)
	}
	switch {
	case err != nil:
		log.Warn("the change of an app's state is not announced yet; trying again", "err", err)
	case a.Suspended():
		log.Error("the provider refuses our registration: the app is suspended and probed once a minute; no link is judged. Check its client_id, secret and URLs")
	default:
		log.Info("the app's registration works again")
	}
}

// untilMended is how long a link stays away whose attempt met our own fault. With the
// app suspended its timer waits in the stream, and is due when the app is resumed.
func (h *Handlers) untilMended(a events.Address) time.Duration {
	if h.Apps == nil {
		return h.rules[a.Provider].RetryMax
	}
	return 0
}

func appEvent(a apps.App) events.Data {
	if a.Suspended() {
		return events.AppSuspended{Address: a.Link, App: a.Name, Reason: a.Reason}
	}
	since := a.Since.UTC()
	return events.AppResumed{Address: a.Link, App: a.Name, SuspendedAt: &since}
}

// RaiseApps announces what workers that died did not.
func (h *Handlers) RaiseApps(ctx context.Context) {
	if h.Apps == nil {
		return
	}
	for _, a := range h.Apps.Unannounced(h.Budget.Recovery) {
		h.raise(ctx, a)
	}
}

// count counts the answer to a refresh of a link. So many grants of an app that die
// at once are a fault of the provider's or of ours: verdicts are held then (held).
func (h *Handlers) count(ctx context.Context, a events.Address, app string, dead bool) {
	if h.Spike == nil {
		return
	}
	first, err := h.Spike.Observe(ctx, app, a.String(), dead)
	if err != nil {
		h.logger(a).Warn("a spike of dead grants could not be made known to other workers; each counts for itself", "app", app, "err", err)
	}
	if first {
		h.Metrics.Spikes.WithLabelValues(app).Inc()
		h.Log.Error("so many grants of one app are called dead that verdicts are held: check the provider's status and our registration. Nobody is asked to consent meanwhile",
			"app", app)
	}
}

// held says whether no grant of the link's app is to be called dead now.
func (h *Handlers) held(a events.Address) bool {
	return h.Spike != nil && h.Spike.Held(h.Providers[a.Provider].Profile().AppOf(a.Provider))
}
