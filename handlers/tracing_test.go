package handlers_test

import (
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/tracing"
)

const (
	reportersTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent    = "00-" + reportersTrace + "-b7ad6b7169203331-01"
)

// traced is a world whose processes send their spans to one place; nil: they do not trace.
func traced(t *testing.T, to *tracetest.InMemoryExporter) *world {
	rules := providers.Profile{ClientID: "client", Rotation: "always", Replay: providers.Replay{Kind: providers.ReplayForbidden}, RenewAt: 0.5}
	w := worldOf(t, rules, func(*handlers.ImportLine) {})
	w.configure = func(_ *process, cfg *handlers.Config) {
		if to != nil {
			cfg.Tracer = tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(to)))
		}
	}
	return w
}

// reportIn is a report with a traceparent, made some time ago.
func (w *world) reportIn(traceparent string, age time.Duration) *message {
	d := events.TokenExpired{Address: theLink, Generation: 1, Reason: events.ReasonUnauthorized}
	e, err := events.NewInput("//reporter", "report", time.Now().Add(-age), events.Trace{Traceparent: traceparent}, d)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := events.Subjects{}.InputMessage(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.broker.add("REGRANT_IN", m.Subject, m.Header, m.Data)
}

// carried is the traceparent of the event that was stored last.
func (w *world) carried() string {
	last := w.broker.stored[len(w.broker.stored)-1]
	e, err := events.Decode(last.Header, last.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	return events.CausedBy(e).Traceparent
}

// named is the one span of a name.
func named(t *testing.T, to *tracetest.InMemoryExporter, name string) (one tracetest.SpanStub) {
	t.Helper()
	n := 0
	for _, s := range to.GetSpans() {
		if s.Name == name {
			one = s
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d spans are called %q", n, name)
	}
	return one
}

// A replayed report is stored anew; its trace is no younger for that.
func TestAnOldReportIsLinked(t *testing.T) {
	for name, c := range map[string]struct {
		age    time.Duration
		linked bool
	}{"of now": {0, false}, "of last week": {7 * 24 * time.Hour, true}} {
		synctest.Test(t, func(t *testing.T) {
			to := tracetest.NewInMemoryExporter()
			w := traced(t, to)
			w.process("w").take(w.reportIn(traceparent, c.age)).end()
			span := named(t, to, "process token-expired")
			in := span.SpanContext.TraceID().String() == reportersTrace
			if in == c.linked || (len(span.Links) == 1) != c.linked {
				t.Errorf("a report %s: in its trace %v, links %v", name, in, span.Links)
			}
			if got := w.carried(); len(got) != len(traceparent) || got[3:35] != span.SpanContext.TraceID().String() {
				t.Errorf("a report %s was handled in trace %s, and its event carries %q", name, span.SpanContext.TraceID(), got)
			}
		})
	}
}

// Nobody asked for what a timer does: it begins a trace, and its event carries it on.
func TestATimerBeginsATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := tracetest.NewInMemoryExporter()
		w := traced(t, to)
		p := w.process("w")
		p.take(w.reportIn(traceparent, 0)).end() // and with it the timer
		to.Reset()
		w.sleep(time.Hour) // to when it is due
		w.broker.fire()
		p.take(w.broker.messages[len(w.broker.messages)-1]).end()
		w.wantLink("active", 3)
		refresh := named(t, to, "refresh")
		for _, s := range to.GetSpans() {
			if s.SpanContext.SpanID() == refresh.Parent.SpanID() && (s.Name != "process due" || s.Parent.IsValid()) {
				t.Errorf("a timer's refresh is below %q, and that below %v", s.Name, s.Parent)
			}
		}
		if got := w.carried(); len(got) != len(traceparent) || got[3:35] != refresh.SpanContext.TraceID().String() {
			t.Errorf("its event carries %q, the refresh was in %s", got, refresh.SpanContext.TraceID())
		}
	})
}

// Without a tracer a trace passes through, and nothing else that stands in its place.
func TestATraceparentPassesThrough(t *testing.T) {
	for sent, want := range map[string]string{traceparent: traceparent, canary + "-in-the-wrong-place": "", "": ""} {
		synctest.Test(t, func(t *testing.T) {
			w := traced(t, nil)
			w.process("w").take(w.reportIn(sent, 0)).end()
			w.wantLink("active", 2)
			if got := w.carried(); got != want {
				t.Errorf("a report with %q brought %q", sent, got)
			}
		})
	}
}

// What a dead worker left is committed in the trace in which it was asked for.
func TestAnAdoptedAnswerStaysInItsTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := tracetest.NewInMemoryExporter()
		w := traced(t, to)
		first := w.process("first")
		first.take(w.reportIn(traceparent, 0)).until("spool:after")
		first.crash()
		w.process("second").adopt().end()
		w.wantLink("active", 2)
		if in := named(t, to, "adopt answer").SpanContext.TraceID().String(); in != reportersTrace {
			t.Errorf("the answer was adopted in trace %s", in)
		}
	})
}

// A message that was refused says why, in a word of ours.
func TestARefusedReportSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := tracetest.NewInMemoryExporter()
		w := traced(t, to)
		v := w.process("w").take(w.report(7)).end()
		if got := named(t, to, "process token-expired").Status.Description; v.Kind != inbox.KindDead || got != v.Reason {
			t.Errorf("the verdict is %+v, the span says %q", v, got)
		}
	})
}
