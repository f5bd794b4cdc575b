package handlers

import (
	"context"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// Dues handles the timers that fired.
type Dues struct{ h *Handlers }

// Dues returns the handler of fired timers.
func (h *Handlers) Dues() Dues { return Dues{h} }

// Peek puts a due event back while the link is being handled by this process, for
// what it is due for may just be happening, and while its app is to be left alone.
func (d Dues) Peek(m *inbox.Message) (inbox.Verdict, bool) {
	a, err := d.h.Subjects.ParseDue(m.Subject)
	switch {
	case err != nil:
		return inbox.Verdict{}, false
	case d.h.flights.busy(a):
		return inbox.Later(d.h.Budget.LockRenew), true
	default:
		return d.h.resting(a)
	}
}

// Handle reads the record, which alone says whether and for what the link is
// due. An unknown link was removed since its timer was set.
func (d Dues) Handle(ctx context.Context, m *inbox.Message) (v inbox.Verdict) {
	a, err := d.h.Subjects.ParseDue(m.Subject)
	if err != nil {
		return dead(err)
	}
	if _, ok := d.h.Providers[a.Provider]; !ok {
		return inbox.Dead("unknown_provider", "provider")
	}
	j := &job{addr: a, storedAt: m.StoredAt, cause: events.CauseRenewal, trigger: links.Trigger{Timer: true}}
	ctx, span := d.h.traceDue(ctx, j)
	defer func() { endWith(span, v) }()
	return d.h.due(ctx, j)
}

func (h *Handlers) due(ctx context.Context, j *job) inbox.Verdict {
	j.flight = &flight{done: make(chan struct{})}
	if h.flights.take(j.addr, j.flight) != nil {
		return inbox.Later(h.Budget.LockRenew)
	}
	defer h.flights.end(j.addr, j.flight)
	return h.run(ctx, j)
}
