// Package otelclient connects package client with OpenTelemetry. It is apart, so that
// services which trace with something else, or with nothing, do not link it:
//
//	client.New(ctx, client.Config{Tracing: otelclient.Tracing(otel.GetTracerProvider())})
package otelclient

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/tracing"
)

// Tracing begins the client's spans with a provider's tracer, and carries their trace
// in events. Without a provider (nil) it carries the service's own trace only.
func Tracing(p trace.TracerProvider) client.Tracing {
	t := client.Tracing{Inject: tracing.Inject, Extract: tracing.Extract}
	if p != nil {
		t.Start = starter{tracing.New(p)}.start
	}
	return t
}

type starter struct{ tracer tracing.Tracer }

func (s starter) start(ctx context.Context, o client.Operation) (context.Context, func(failed string)) {
	ctx, span := s.begin(ctx, o)
	if o.Generation != 0 {
		span.Count("generation", o.Generation)
	}
	return ctx, span.End
}

func (s starter) begin(ctx context.Context, o client.Operation) (context.Context, tracing.Span) {
	cause := tracing.Cause{Name: o.Name, Address: o.Address, ID: o.Event, Traceparent: o.Traceparent, At: o.At}
	switch o.Kind {
	case client.KindProcess:
		return s.tracer.Process(ctx, cause, time.Now())
	case client.KindSend:
		return s.tracer.Send(ctx, cause)
	default:
		return s.tracer.Start(ctx, o.Name, o.Address)
	}
}
