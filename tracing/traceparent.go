package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Inject is the traceparent of ctx's span; empty where it has none.
func Inject(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	var c carrier
	propagation.TraceContext{}.Inject(ctx, &c)
	return string(c)
}

// Extract puts the span that a traceparent names into ctx, as a remote one. One that
// is malformed changes nothing.
func Extract(ctx context.Context, traceparent string) context.Context {
	if from := parse(traceparent); from.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, from)
	}
	return ctx
}

// Valid says whether a traceparent is one.
func Valid(traceparent string) bool { return parse(traceparent).IsValid() }

func parse(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	c := carrier(traceparent)
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), &c))
}

// carrier holds the one header that CloudEvents carry.
type carrier string

func (c *carrier) Get(key string) string {
	if key != "traceparent" {
		return ""
	}
	return string(*c)
}

func (c *carrier) Set(key, value string) {
	if key == "traceparent" {
		*c = carrier(value)
	}
}

func (c *carrier) Keys() []string { return []string{"traceparent"} }
