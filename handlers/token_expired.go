package handlers

import (
	"context"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// peekTokenExpired is the stale guard and the collapse (steps 1 and 2 of the order
// of checks, ARCHITECTURE.md) for reports that carry the generation in a header,
// as our publishers' do. What is left and can only wait goes back unread.
func (h *Handlers) peekTokenExpired(a events.Address, m *inbox.Message) (inbox.Verdict, bool) {
	generation, ok := events.GenerationOf(m.Header)
	if !ok {
		return inbox.Verdict{}, false
	}
	if h.known.of(a).generation > generation {
		h.Metrics.Stale.WithLabelValues(a.Provider, "memory").Inc()
		return inbox.Done(), true
	}
	reason := events.Reason(header(m.Header, events.HeaderReason))
	if h.flights.collapses(a, generation, "", reason, m.Delivered) {
		h.Metrics.Stale.WithLabelValues(a.Provider, "collapsed").Inc()
		return inbox.Done(), true
	}
	return h.resting(a)
}

func (h *Handlers) tokenExpired(ctx context.Context, a events.Address, e event.Event, m *inbox.Message) (inbox.Verdict, course) {
	data, err := events.As[events.TokenExpired](e)
	if err != nil {
		return dead(err), course{}
	}
	first := replayedFrom(m)
	mine := &flight{generation: data.Generation, fingerprint: data.Fingerprint, reason: data.Reason, done: make(chan struct{})}
	mine.sure = data.Generation <= h.known.of(a).generation // 0: a fingerprint is of what there was
	if !first.IsZero() {
		mine.reason = "" // what is heard already begins nothing: no report of now may rest on it
	}
	if v, ok := h.depart(ctx, a, mine, m.Delivered); !ok {
		return v, course{}
	}
	defer h.flights.end(a, mine)
	j := &job{
		addr: a, flight: mine, storedAt: m.StoredAt, cause: events.CauseRefresh, trace: causedBy(ctx, e),
		trigger: links.Trigger{Generation: data.Generation, Fingerprint: data.Fingerprint, Reason: data.Reason, First: first},
	}
	v := h.run(ctx, j)
	return v, j.course
}

// depart makes mine the one flight of its link in this process. A report whose
// duty another flight carries is done; any other waits for that flight's end,
// one at a time and without a slot, and the rest are put back.
func (h *Handlers) depart(ctx context.Context, a events.Address, mine *flight, delivered uint64) (inbox.Verdict, bool) {
	for {
		other := h.flights.take(a, mine)
		if other == nil {
			return inbox.Verdict{}, true
		}
		if h.flights.collapses(a, mine.generation, mine.fingerprint, mine.reason, delivered) {
			h.Metrics.Stale.WithLabelValues(a.Provider, "collapsed").Inc()
			return inbox.Done(), false
		}
		if !h.flights.wait(other) || !h.awaitEnd(ctx, other) {
			return inbox.Later(h.again(delivered)), false
		}
	}
}

// again is the pause of what another flight of this process keeps waiting: most
// flights are over within the first, and a long one is not asked for often.
func (h *Handlers) again(delivered uint64) time.Duration {
	return h.Budget.LockRenew >> (4 - min(4, max(1, delivered)-1))
}

func (h *Handlers) awaitEnd(ctx context.Context, other *flight) (ended bool) {
	inbox.Waiting(ctx, func() {
		ended = await(ctx, other.done, h.Budget.LockWait)
	})
	return ended
}
