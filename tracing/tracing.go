package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/regrant/regrant/events"
)

// scope names the instrumentation, as OpenTelemetry calls it.
const scope = "github.com/regrant/regrant"

// Fresh is for how long the span of a cause counts as the parent of what it causes.
// A message that is handled later, because it was replayed or waited for somebody,
// begins a trace of its own with a link: the trace that it comes from was looked at,
// sampled and perhaps dropped long ago, and would seem to last for days.
const Fresh = 15 * time.Minute

// Tracer begins spans. Its zero value begins none.
type Tracer struct{ tracer trace.Tracer }

// New is a Tracer on a provider; nil: none.
func New(p trace.TracerProvider) Tracer {
	if p == nil {
		return Tracer{}
	}
	return Tracer{p.Tracer(scope)}
}

// On says whether there is anything to begin: whether a Cause is worth looking up.
func (t Tracer) On() bool { return t.tracer != nil }

// Span is a span of a Tracer. The zero value is none; its methods do nothing.
type Span struct{ span trace.Span }

// Cause is the event behind a span.
type Cause struct {
	events.Address
	// Name says what is done with it, in few values.
	Name string
	// ID is the event's; empty: not known.
	ID string
	// Traceparent is the event's; empty: none.
	Traceparent string
	// At is when it came about.
	At time.Time
}

// Process begins the span of what an event causes, at now: in the event's trace, or
// in one of its own with a link to it (Fresh), or without one. Whatever span ctx has
// is not its parent.
func (t Tracer) Process(ctx context.Context, c Cause, now time.Time) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), about(c.Address), event(c.ID, "process")}
	switch from := parse(c.Traceparent); {
	case !from.IsValid():
		options = append(options, trace.WithNewRoot())
	case now.Sub(c.At) > Fresh:
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: from}))
	default:
		ctx = trace.ContextWithRemoteSpanContext(ctx, from)
	}
	return t.start(ctx, c.Name, options...)
}

// Send begins the span of publishing an event, below ctx's. An event of another trace
// is linked to: it was decided by somebody else, who did not come to publish it.
func (t Tracer) Send(ctx context.Context, c Cause) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), about(c.Address), event(c.ID, "send")}
	from := parse(c.Traceparent)
	if from.IsValid() && from.TraceID() != trace.SpanContextFromContext(ctx).TraceID() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: from}))
	}
	return t.start(ctx, c.Name, options...)
}

// Call begins the span of a request to a provider, below ctx's. The request does not
// carry it: a third party has no use for our trace ids, and could tell by them which
// users' calls belong together.
func (t Tracer) Call(ctx context.Context, name string, a events.Address) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	return t.start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), about(a))
}

// Start begins the span of something that is done here, below ctx's.
func (t Tracer) Start(ctx context.Context, name string, a events.Address) (context.Context, Span) {
	if t.tracer == nil {
		return ctx, Span{}
	}
	return t.start(ctx, name, about(a))
}

func (t Tracer) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, Span) {
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, Span{span}
}

func about(a events.Address) trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("regrant.tenant", a.Tenant), attribute.String("regrant.provider", a.Provider), attribute.String("regrant.link", a.Link))
}

// event are the attributes that OpenTelemetry has for messages.
func event(id, operation string) trace.SpanStartEventOption {
	all := []attribute.KeyValue{attribute.String("messaging.system", "nats"), attribute.String("messaging.operation.type", operation)}
	if id != "" {
		all = append(all, attribute.String("messaging.message.id", id))
	}
	return trace.WithAttributes(all...)
}

// Note adds a word of ours, under a name within regrant's; an empty one is left out.
func (s Span) Note(name, word string) {
	if s.span != nil && word != "" {
		s.span.SetAttributes(attribute.String("regrant."+name, word))
	}
}

// Count adds a number.
func (s Span) Count(name string, n uint64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64("regrant."+name, int64(n)))
	}
}

// End ends the span. failed is a word of ours for why it did not succeed; empty: it did.
func (s Span) End(failed string) {
	if s.span == nil {
		return
	}
	if failed != "" {
		s.span.SetStatus(codes.Error, failed)
	}
	s.span.End()
}

// Unless is what End takes where an error means failure.
func Unless(err error, failed string) string {
	if err == nil {
		return ""
	}
	return failed
}
