package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// Reconciler finds what the messages lost: a timer that was never armed, an
// event that was never published, an attempt whose input is gone. It brings
// nothing about that a message would not: it hears of a link, like a timer, and
// the same procedure decides. Running twice at once is harmless.
type Reconciler struct {
	h       *Handlers
	scanner links.Scanner
	// Pace is the least pause after each record that is looked at: a full scan must not
	// slow down the refreshes beside it. It is longer where the record took long: see rest.
	Pace time.Duration

	// watermark: records written before it are known to be settled. It is the start
	// of the last completed scan and never passes a record that was left open.
	watermark time.Time
	open      bool
}

// NewReconciler returns a reconciler whose first scan is a full one.
func (h *Handlers) NewReconciler(scanner links.Scanner, pace time.Duration) *Reconciler {
	return &Reconciler{h: h, scanner: scanner, Pace: pace}
}

// Scan looks at every record, or at those written since the watermark. Full
// scans find what time alone changed. Not for concurrent use.
func (r *Reconciler) Scan(ctx context.Context, full bool) error {
	start, err := r.h.StoreClock(ctx)
	if err != nil {
		return err
	}
	seen := newCensus()
	open := time.Time{} // the oldest record left unsettled
	err = r.scanner.List(ctx, events.Address{}, func(s links.Stored) bool {
		began := r.h.Clock()
		seen.see(s.Link, began.Add(-r.h.Budget.Recovery))
		if full || !s.StoredAt.Before(r.watermark) {
			if !r.settle(ctx, s, start) {
				seen.open[s.Link.Provider]++
				open = oldest(open, s.StoredAt)
			}
		}
		await(ctx, nil, r.rest(r.h.Clock().Sub(began)))
		return ctx.Err() == nil
	})
	if passed := (*links.Unreadable)(nil); errors.As(err, &passed) { // they keep no other from being settled
		r.h.Log.Error("a scan passed over records", "records", passed.Count, "err", passed)
		seen.unreadable, err = passed.Count, nil
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	r.h.Metrics.Scans.show(seen, r.h.Clock(), r.h.Providers)
	r.watermark, r.open = start, !open.IsZero()
	if !open.IsZero() && open.Before(start) {
		r.watermark = open
	}
	return nil
}

const (
	// restShare is how many times longer than its work a scan rests: it takes a tenth of
	// one processor at most, and the less the busier the servers are that it waits for.
	restShare = 9
	// restMost ends a rest after what took long for reasons of its own, such as a
	// provider's call.
	restMost = 100 * time.Millisecond
)

// rest is the pause after a record that took so long. Without a pace there is none.
func (r *Reconciler) rest(took time.Duration) time.Duration {
	if r.Pace == 0 {
		return 0
	}
	return max(r.Pace, min(restShare*took, restMost))
}

// oldest is the earlier of two times; the zero time is none.
func oldest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Open says that the last scan left something unsettled: scan again after a patience.
func (r *Reconciler) Open() bool { return r.open }

// OutboxRest is how long a link's last events stay in its record when nobody writes it.
// It is well before the stream forgets them: whoever looks there for what was announced,
// and finds nothing, announces it again.
const OutboxRest = 10 * 24 * time.Hour

// settle brings one record up to date, and says whether nothing is left open.
func (r *Reconciler) settle(ctx context.Context, s links.Stored, now time.Time) bool {
	l := s.Link
	if _, ok := r.h.Providers[l.Provider]; !ok {
		return true
	}
	if cur, ok := l.Current(); ok && l.Status == links.Refreshing &&
		r.h.sights.see(cur.ID, r.h.Clock(), 1).Standing == links.Watched {
		return false // somebody may be at it: not settled, not ours yet
	}
	if l.Exchange != nil && r.h.sights.see(l.Exchange.ID, r.h.Clock(), 1).Standing == links.Watched {
		return false // as with an attempt
	}
	if l.Status == links.Refreshing || l.Exchange != nil || overdue(l, r.h.Clock().Add(-r.h.Budget.Recovery)) {
		return r.wake(ctx, l)
	}
	if err := r.h.fin.finish(ctx, l, everythingMayBeStored, true); err != nil {
		r.h.logger(l.Address).Warn("reconciling failed; the next scan tries again", "err", err)
		return false
	}
	if len(l.Outbox) > 0 && now.Sub(s.StoredAt) >= OutboxRest {
		_, err := r.h.Store.Update(ctx, l.Settled(l.EventNumber), s.Revision) // all of it was just found in the stream
		return err == nil || errors.Is(err, links.ErrConflict)
	}
	return true
}

// overdue says that whatever was to happen by then has not.
func overdue(l links.Link, then time.Time) bool {
	at := l.Alarm()
	return !at.IsZero() && !then.Before(at)
}

// wake runs the procedure as if the link's timer had fired. The end of a scan does
// not cut it short: an intent whose reply is not waited for is a link in doubt.
func (r *Reconciler) wake(ctx context.Context, l links.Link) bool {
	r.h.logger(l.Address).Info("a link was left open; taking it up", "status", l.Status, "due", l.Due)
	r.h.Metrics.Scans.TakenUp.WithLabelValues(l.Provider).Inc()
	v := r.h.due(context.WithoutCancel(ctx), &job{
		addr: l.Address, cause: events.CauseRenewal, trigger: links.Trigger{Timer: true},
	})
	return v.Kind == inbox.KindDone
}
