package tracing_test

import (
	"context"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/tracing"
)

const (
	traceID   = "0af7651916cd43dd8448eb211c80319c"
	sampled   = "00-" + traceID + "-b7ad6b7169203331-01"
	unsampled = "00-" + traceID + "-b7ad6b7169203331-00"
)

var (
	link = events.Address{Tenant: "default", Provider: "op", Link: "L1"}
	now  = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
)

func recorder() (tracing.Tracer, *tracetest.InMemoryExporter) {
	to := tracetest.NewInMemoryExporter()
	return tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(to))), to
}

// TestWhoseChild: a cause is the parent while it is fresh, then a link, and without one
// a trace begins. The span of the context, which is whoever happens to work, is neither.
func TestWhoseChild(t *testing.T) {
	for name, c := range map[string]struct {
		traceparent   string
		age           time.Duration
		parent, links bool
		spans         int
	}{
		"fresh":                     {sampled, tracing.Fresh, true, false, 1},
		"days later":                {sampled, tracing.Fresh + 1, false, true, 1},
		"by a clock that is behind": {sampled, -time.Hour, true, false, 1},
		"not sampled":               {unsampled, 0, false, false, 0},
		"none":                      {"", 0, false, false, 1},
		"malformed":                 {"00-" + traceID, 0, false, false, 1},
		"nobody's":                  {"00-00000000000000000000000000000000-b7ad6b7169203331-01", 0, false, false, 1},
		"of no known version":       {"ff-" + traceID + "-b7ad6b7169203331-01", 0, false, false, 1},
	} {
		tracer, to := recorder()
		others, other := tracer.Start(t.Context(), "other", link)
		_, span := tracer.Process(others, tracing.Cause{Name: "process it", Address: link, Traceparent: c.traceparent, At: now.Add(-c.age)}, now)
		span.End("")
		other.End("")
		got := to.GetSpans()[:len(to.GetSpans())-1]
		if len(got) != c.spans {
			t.Errorf("%s: %d spans, want %d", name, len(got), c.spans)
			continue
		}
		for _, s := range got {
			if in := s.SpanContext.TraceID().String() == traceID; in != c.parent || s.Parent.IsValid() != c.parent {
				t.Errorf("%s: trace %s below %s", name, s.SpanContext.TraceID(), s.Parent.SpanID())
			}
			if (len(s.Links) == 1 && s.Links[0].SpanContext.TraceID().String() == traceID) != c.links {
				t.Errorf("%s: links %v", name, s.Links)
			}
		}
	}
}

// TestAnEventOfAnotherTraceIsLinked: whoever publishes what somebody else decided does
// so in a trace of its own.
func TestAnEventOfAnotherTraceIsLinked(t *testing.T) {
	tracer, to := recorder()
	own, work := tracer.Start(t.Context(), "work", link)
	for _, traceparent := range []string{tracing.Inject(own), sampled} {
		_, span := tracer.Send(own, tracing.Cause{Name: "send it", Address: link, Traceparent: traceparent})
		span.End("")
	}
	work.End("")
	got := to.GetSpans()
	if len(got[0].Links) != 0 || len(got[1].Links) != 1 {
		t.Errorf("links of an event of this trace: %v, of another's: %v", got[0].Links, got[1].Links)
	}
	if got[0].Parent.SpanID() != got[2].SpanContext.SpanID() || got[1].Parent.SpanID() != got[2].SpanContext.SpanID() {
		t.Error("a publish is not below the work that it is part of")
	}
}

func TestTraceparents(t *testing.T) {
	for _, s := range []string{sampled, unsampled} {
		if got := tracing.Inject(tracing.Extract(t.Context(), s)); got != s || !tracing.Valid(s) {
			t.Errorf("%s came back as %q", s, got)
		}
	}
	for _, s := range []string{"", "x", sampled + "-1", "refresh-token-in-the-wrong-place"} {
		if ctx := tracing.Extract(t.Context(), s); tracing.Valid(s) || ctx != t.Context() {
			t.Errorf("%q passes for a traceparent", s)
		}
	}
	if got := tracing.Inject(t.Context()); got != "" {
		t.Errorf("no span has the traceparent %q", got)
	}
}

// TestWithoutATracer nothing is allocated, and nothing begun.
func TestWithoutATracer(t *testing.T) {
	ctx, tracer := t.Context(), tracing.New(nil)
	n := testing.AllocsPerRun(100, func() {
		in, a := tracer.Process(ctx, tracing.Cause{Name: "process it", Address: link, Traceparent: sampled, At: now}, now)
		in, b := tracer.Start(in, "work", link)
		in, c := tracer.Call(in, "call", link)
		in, d := tracer.Send(in, tracing.Cause{Name: "send it", Address: link})
		for _, s := range []tracing.Span{a, b, c, d} {
			s.Note("word", "x")
			s.Count("number", 1)
			s.End("failed")
		}
		if tracing.Inject(in) != "" || tracer.On() {
			t.Error("a span was begun")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestASpanSaysWhatFailed(t *testing.T) {
	tracer, to := recorder()
	_, span := tracer.Call(t.Context(), "refresh", link)
	span.Note("outcome", "grant_dead")
	span.Note("empty", "")
	span.End(tracing.Unless(context.Canceled, "not_written"))
	got := to.GetSpans()[0]
	if got.SpanKind != trace.SpanKindClient || got.Status.Description != "not_written" || len(got.Attributes) != 4 {
		t.Errorf("%+v", got)
	}
}
