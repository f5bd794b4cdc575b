package client

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/events"
)

// Tracing connects a service's tracer with the traceparent of events, without this
// package knowing which tracer. Its functions may be nil. Package otelclient has them
// for OpenTelemetry.
type Tracing struct {
	// Inject is the traceparent of a context, empty for none. A report carries that of
	// the request which was refused.
	Inject func(context.Context) string
	// Extract puts an event's traceparent into its handler's context. Where there is a
	// Start, that decides instead.
	Extract func(ctx context.Context, traceparent string) context.Context
	// Start begins the span of an operation, below the context's, and returns the
	// context with it and what ends it: with a word for why the operation failed, or
	// empty. It is called where a token is refused, reported or waited for, and for each
	// event; never on the way of a token that is good.
	Start func(context.Context, Operation) (_ context.Context, end func(failed string))
}

// OperationKind is what an operation does, for tracers that tell kinds apart.
type OperationKind uint8

// The kinds.
const (
	// KindInternal: something that is done in this process.
	KindInternal OperationKind = iota
	// KindSend: an event is published.
	KindSend
	// KindProcess: an event is handled.
	KindProcess
)

// Operation is what a span is of. It holds no secret.
type Operation struct {
	// Name is one of few: "renew token" (from a 401 to its request's last answer), and
	// below it "send token-expired", "await token" and "retry"; "process <event>".
	Name string
	Kind OperationKind
	events.Address
	// Generation that it is about; 0: not known.
	Generation uint64
	// Event is the id of the event that is handled, Traceparent and At are whence and
	// when it came. KindProcess alone has them. Its span belongs below that
	// traceparent's and not below the context's, or, where the event is old, is linked to it.
	Event, Traceparent string
	At                 time.Time
}

func (t Tracing) inject(ctx context.Context) string {
	if t.Inject == nil {
		return ""
	}
	return t.Inject(ctx)
}

func (t Tracing) extract(ctx context.Context, traceparent string) context.Context {
	if t.Extract == nil || traceparent == "" {
		return ctx
	}
	return t.Extract(ctx, traceparent)
}

func (t Tracing) start(ctx context.Context, o Operation) (context.Context, func(failed string)) {
	if t.Start == nil {
		return ctx, untraced
	}
	return t.Start(ctx, o)
}

func untraced(string) {}

// handling is the context for an event's handler.
func (t Tracing) handling(ctx context.Context, d Delivery) (context.Context, func(failed string)) {
	if t.Start == nil {
		return t.extract(ctx, d.Trace.Traceparent), untraced
	}
	at := d.StoredAt
	if made := d.Event.Time(); !made.IsZero() && made.Before(at) {
		at = made // a replayed event is stored anew, and no younger for it
	}
	return t.Start(ctx, Operation{
		Name: "process " + string(d.Name), Kind: KindProcess, Address: d.Address, Generation: d.Generation,
		Event: d.Key.ID, Traceparent: d.Trace.Traceparent, At: at,
	})
}

// failed is a word for an error: a code, and nothing of what it says.
func failed(err error) string {
	var why *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &why):
		return string(why.Code)
	case errors.Is(err, ErrClosed):
		return "closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "cut_short"
	default:
		return "failed"
	}
}
