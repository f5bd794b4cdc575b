package handlers

import (
	"context"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/tracing"
)

// causedBy is the trace of what an input triggers. Its traceparent is that of this
// worker's own span, which is in the input's trace, or the input's where the worker
// does not trace. One that is malformed is dropped: it might be anything.
func causedBy(ctx context.Context, e event.Event) events.Trace {
	t := events.CausedBy(e)
	if own := tracing.Inject(ctx); own != "" {
		t.Traceparent = own
	} else if !tracing.Valid(t.Traceparent) {
		t.Traceparent = ""
	}
	return t
}

// causeOf is an input as a span's cause. It is as old as the event or as the message,
// whichever is older: what is replayed is stored anew.
func (h *Handlers) causeOf(a events.Address, name events.Name, e event.Event, m *inbox.Message) tracing.Cause {
	if !h.Tracer.On() {
		return tracing.Cause{}
	}
	at := m.StoredAt
	if made := e.Time(); !made.IsZero() && made.Before(at) {
		at = made
	}
	return tracing.Cause{Name: "process " + string(name), Address: a, ID: e.ID(), Traceparent: events.CausedBy(e).Traceparent, At: at}
}

// traceSend begins the span of publishing an output.
func (f *finisher) traceSend(ctx context.Context, a events.Address, entry links.Entry) (context.Context, tracing.Span) {
	if !f.Tracer.On() {
		return ctx, tracing.Span{}
	}
	e, err := events.Decode(nil, entry.Event)
	if err != nil {
		return ctx, tracing.Span{}
	}
	name, _ := events.ParseType(e.Type()) // it was made into a message, which wants a type of ours
	return f.Tracer.Send(ctx, tracing.Cause{Name: "send " + string(name), Address: a, ID: e.ID(), Traceparent: events.CausedBy(e).Traceparent})
}

// traceDue begins the span of a fired timer. Nobody asked for its work: its trace is
// its own, and that of the events that it brings.
func (h *Handlers) traceDue(ctx context.Context, j *job) (context.Context, tracing.Span) {
	ctx, span := h.Tracer.Process(ctx, tracing.Cause{Name: "process due", Address: j.addr}, h.Clock())
	j.trace.Traceparent = tracing.Inject(ctx)
	return ctx, span
}

// traceAdopted goes on with the trace of the worker that got the answer, which is as
// old as its attempt.
func (h *Handlers) traceAdopted(ctx context.Context, s saved) (context.Context, tracing.Span) {
	var at time.Time
	if id, err := ulid.ParseStrict(s.Attempt); err == nil {
		at = ulid.Time(id.Time())
	}
	return h.Tracer.Process(ctx, tracing.Cause{Name: "adopt answer", Address: s.Address, Traceparent: s.Trace.Traceparent, At: at}, h.Clock())
}

// endWith ends a message's span with its verdict.
func endWith(span tracing.Span, v inbox.Verdict) {
	switch v.Kind {
	case inbox.KindDone:
		span.Note("verdict", "done")
	case inbox.KindDead:
		span.Note("verdict", "dead")
		span.End(v.Reason)
		return
	default:
		span.Note("verdict", "later")
	}
	span.End("")
}

// endPresented ends the span of a presentation with its outcome.
func endPresented(span tracing.Span, c links.Claim, o providers.Outcome) {
	span.Note("attempt", c.Attempt)
	span.Note("outcome", o.Class.String())
	if c.Generation != 0 {
		span.Count("generation", c.Generation)
	}
	if o.Class == providers.OK {
		span.End("")
		return
	}
	span.End(o.Class.String())
}
