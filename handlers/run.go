package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
)

// job is one thing that was heard of a link, on its way through run.
type job struct {
	addr     events.Address
	flight   *flight
	trigger  links.Trigger
	trace    events.Trace
	cause    events.Cause
	storedAt time.Time // of the message, by the server's clock; zero where there is none
	course   course    // what was decided last
	again    bool      // an earlier delivery may have ended anywhere
	locked   bool
	fresh    bool          // read where writes are decided
	intent   *links.Stored // the record as this job's own intent left it
	ahead    *foresight    // begun with the presentation
	storeNow time.Time
	asked    bool
	began    time.Time // before whatever the decision under way was taken on
}

// maxTurns bounds how often one delivery reads and decides again. Each turn but
// the last was lost to another writer or ended an attempt of our own.
const maxTurns = 12

// run is the procedure for one link: lock, then read, decide and do until there
// is a verdict.
func (h *Handlers) run(ctx context.Context, j *job) inbox.Verdict {
	if v, rests := h.resting(j.addr); rests {
		return v
	}
	lease, verdict, ok := h.lock(ctx, j)
	if !ok {
		return verdict
	}
	if lease != nil {
		defer h.release(ctx, j.addr, lease)
	}
	for range maxTurns {
		if verdict, again := h.turn(ctx, j); !again {
			return verdict
		}
	}
	return inbox.Later(h.Budget.LockRenew)
}

// underLock makes the job the one flight of its link in this process, takes the
// link's lock and does it: the way in for every input but a report, whose duty may
// be another flight's.
func (h *Handlers) underLock(ctx context.Context, j *job, delivered uint64, do func() inbox.Verdict) inbox.Verdict {
	j.flight, j.again = &flight{done: make(chan struct{})}, delivered > 1
	if v, ok := h.depart(ctx, j.addr, j.flight, delivered); !ok {
		return v
	}
	defer h.flights.end(j.addr, j.flight)
	lease, v, ok := h.lock(ctx, j)
	if !ok {
		return v
	}
	if lease != nil {
		defer h.release(ctx, j.addr, lease)
	}
	return do()
}

// lock takes the link's lock. With the lock server away it returns no lease and
// true: the intent alone keeps the promise, at the price of lost races.
func (h *Handlers) lock(ctx context.Context, j *job) (locks.Lease, inbox.Verdict, bool) {
	ctx, span := h.Tracer.Start(ctx, "lock", j.addr)
	defer span.End("")
	h.Probe.at(StepLock, Before, j.addr)
	name := h.lockName(ctx, j.addr)
	for waited := time.Duration(0); ; {
		lease, err := h.Locker.Acquire(ctx, name)
		switch {
		case err == nil:
			j.locked = true
			h.Probe.at(StepLock, After, j.addr)
			return lease, inbox.Verdict{}, true
		case errors.Is(err, locks.ErrUnavailable):
			h.Metrics.LockAway.Inc()
			return nil, inbox.Verdict{}, true
		case !errors.Is(err, locks.ErrHeld) || waited >= h.Budget.LockWait:
			return nil, inbox.Later(h.Budget.LockRenew), false
		}
		since := h.Clock()
		if verdict, settled := h.awaitNews(ctx, j, h.Budget.LockWait-waited); settled {
			return nil, verdict, false
		}
		waited += max(h.Clock().Sub(since), time.Millisecond)
	}
}

// awaitNews waits, without a slot, until the lock's holder announced something
// about the link, or for as long as a lock is still worth waiting for. What was
// announced may be an event that was overdue, while the holder goes on. A report that is
// stale, before or after, needs no lock: its holder may be settling another stale
// report, which announces nothing that one could wait for.
func (h *Handlers) awaitNews(ctx context.Context, j *job, limit time.Duration) (v inbox.Verdict, settled bool) {
	news := h.known.news(j.addr) // first: nothing announced from now on is missed
	defer h.known.forget(j.addr, news)
	if v, settled = h.stale(ctx, j); settled {
		return v, true
	}
	since := h.Clock()
	inbox.Waiting(ctx, func() { await(ctx, news.stored, limit) })
	h.Metrics.LockWaits.WithLabelValues(j.addr.Provider).Observe(h.Clock().Sub(since).Seconds())
	return h.stale(ctx, j)
}

// stale settles a report about a bearer that was replaced, from memory or with
// one read. Whatever else there is to decide is left to the holder of the lock.
func (h *Handlers) stale(ctx context.Context, j *job) (inbox.Verdict, bool) {
	known := h.known.of(j.addr).generation
	if j.trigger.Generation != 0 && known > j.trigger.Generation {
		h.Metrics.Stale.WithLabelValues(j.addr.Provider, "memory").Inc()
		j.decided(links.Decision{Action: links.Finish, Reason: reasonStale})
		return inbox.Done(), true
	}
	if j.trigger.Timer {
		return inbox.Verdict{}, false
	}
	stored, _, ok := h.read(ctx, j)
	if !ok || known > stored.Link.Generation || !stored.Link.Stale(j.trigger) {
		return inbox.Verdict{}, false
	}
	return h.finishRead(ctx, j, stored.Link, links.Decision{Action: links.Finish, Reason: reasonStale}), true
}

func (h *Handlers) release(ctx context.Context, a events.Address, lease locks.Lease) {
	if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
		h.logger(a).Debug("lock was not released; it expires by itself", "err", err)
	}
}

// turn reads the record, asks links what to do, and does it. again means that
// the record has changed, or that we know more than before.
func (h *Handlers) turn(ctx context.Context, j *job) (v inbox.Verdict, again bool) {
	stored, verdict, ok := h.read(ctx, j)
	if !ok {
		return verdict, false
	}
	if !j.asked {
		j.began = h.Clock()
	}
	view := h.view(j)
	d, behind := h.judged(stored.Link, j.trigger, view)
	j.decided(d)
	if behind {
		return h.behind(ctx, j, view)
	}
	j.asked, j.storeNow = false, time.Time{} // the store's clock is asked anew for each decision that needs it
	switch d.Action {
	case links.Wait:
		return inbox.Later(h.pause(stored.Link, d.After)), false
	case links.Finish:
		return h.finishRead(ctx, j, stored.Link, d), false
	case links.Begin, links.Repeat:
		return h.present(ctx, j, stored, links.Attempt{Grant: d.Grant})
	case links.Check:
		return h.check(ctx, j, stored)
	case links.AskStore:
		h.askStore(ctx, j)
		return inbox.Verdict{}, true
	case links.Future:
		return h.future(ctx, j)
	case links.Resume:
		return h.resume(ctx, j, stored.Link), false
	case links.LetGo:
		return h.letGo(ctx, j, stored.Link.Hold, links.ReasonHoldExpired), false
	default:
		return h.judge(ctx, j, stored, view, d)
	}
}

// judged is what the record says to a trigger. behind: it is older than what this
// process knows to be announced, and must not be believed. Nothing is done yet:
// Explain asks the same.
func (h *Handlers) judged(l links.Link, t links.Trigger, v links.View) (d links.Decision, behind bool) {
	if h.known.of(l.Address).generation > l.Generation {
		return links.Decision{Action: links.Mark, Reason: "older_than_announced"}, true
	}
	return l.Decide(t, v), false
}

// pause is how long a message is put back for. One that waits for an attempt comes
// back sooner than that is over: each delivery goes to any worker, and one that has
// not seen the attempt yet begins to watch it only then.
func (h *Handlers) pause(l links.Link, after time.Duration) time.Duration {
	switch {
	case l.Exchange != nil:
		return h.Budget.LockRenew / 2 // its flow tells how long it takes
	case l.Status == links.Refreshing:
		after = min(after, h.Budget.LockRenew/2)
	}
	return max(after, time.Millisecond)
}

func (h *Handlers) view(j *job) links.View {
	now, patiences := h.now(j), j.patiences()
	return links.View{
		Now: now, Rules: h.rules[j.addr.Provider], Jitter: h.Random(), StoreNow: j.storeNow, Asked: j.asked, Held: h.held(j.addr),
		See: func(attempt string) links.Sight { return h.sights.see(attempt, h.Clock(), patiences) },
	}
}

// patiences is for how many of them an attempt is watched: two without the lock that
// its owner would have gone on renewing.
func (j *job) patiences() int {
	if j.locked {
		return 1
	}
	return 2
}

// now is the judging clock: for a fired timer, the server's stamp counts if this
// host's clock is behind it.
func (h *Handlers) now(j *job) time.Time {
	now := h.Clock()
	if j.trigger.Timer && j.storedAt.After(now) {
		return j.storedAt
	}
	return now
}

// read gets the record. A link that is not there is asked for once more where
// writes are decided before the report becomes a dead letter.
func (h *Handlers) read(ctx context.Context, j *job) (links.Stored, inbox.Verdict, bool) {
	h.Probe.at(StepRead, Before, j.addr)
	get := h.Store.Get
	if j.fresh || j.trigger.Leading() {
		get = h.Store.Latest
	}
	stored, err := get(ctx, j.addr)
	if errors.Is(err, links.ErrNotFound) && !j.fresh {
		stored, err = h.Store.Latest(ctx, j.addr)
	}
	switch {
	case errors.Is(err, links.ErrNotFound) && j.trigger.Timer:
		return stored, inbox.Done(), false
	case errors.Is(err, links.ErrNotFound):
		return stored, inbox.Dead("unknown_link", "link"), false
	case errors.Is(err, links.ErrRecord):
		h.logger(j.addr).Error("the link's record cannot be read; upgrade this worker or restore the record", "err", err)
		return stored, inbox.Later(h.Budget.Recovery), false
	case err != nil:
		h.logger(j.addr).Warn("the link's record was not read; trying again", "err", err)
		return stored, inbox.Later(h.Budget.LockRenew), false
	}
	h.flights.read(j.flight, stored.Link, j.storedAt)
	h.Probe.at(StepRead, After, j.addr)
	return stored, inbox.Verdict{}, true
}

// future handles a report of a generation that the record has not reached: a
// follower may have answered. Asked where writes are decided, it is an error of
// the reporter, and for good.
func (h *Handlers) future(ctx context.Context, j *job) (inbox.Verdict, bool) {
	latest, err := h.Store.Latest(ctx, j.addr)
	switch {
	case err != nil:
		return inbox.Later(h.Budget.LockRenew), false
	case latest.Link.Generation < j.trigger.Generation:
		return inbox.Dead("future_generation", "generation"), false
	default:
		j.fresh = true
		return inbox.Verdict{}, true
	}
}

func (h *Handlers) askStore(ctx context.Context, j *job) {
	j.asked, j.began = true, h.Clock()
	now, err := h.StoreClock(ctx)
	if err != nil {
		h.logger(j.addr).Warn("the store's clock is not known; no unknown outcome is judged without it", "err", err)
		return
	}
	j.storeNow = now
	if j.storedAt.After(now) { // by the server that fired the timer; its clock and this one may differ
		j.storeNow = j.storedAt
	}
}

// await waits for a signal, at most d, and says whether it came.
func await(ctx context.Context, signal <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-signal:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
