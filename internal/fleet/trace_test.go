package fleet_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/client/otelclient"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/tracing"
)

// traced is a cell whose worker, reporter and subscriber send their spans to one
// place. Between the worker and the provider stands who reads their requests.
type traced struct {
	*fleet.Cell
	link     fleet.Link
	spans    *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
	client   *client.Client
	// leaked says that the provider was sent a trace.
	leaked atomic.Bool
	// presented counts requests to the provider.
	presented atomic.Int32
}

func newTraced(t *testing.T) *traced {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := &traced{spans: tracetest.NewInMemoryExporter()}
	w.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	var err error
	w.Cell, err = fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second,
		Providers: map[string]fleet.Provider{"op": hostile(t)}, Log: testenv.Log(t),
	})
	must(t, err)
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	w.readRequests(t)
	made, err := w.Import(ctx, "op", 1)
	must(t, err)
	w.link = made[0]
	run, err := w.Start(ctx, "w", func(o *worker.Options) { o.Tracer = tracing.New(w.provider) })
	must(t, err)
	t.Cleanup(func() { _ = run.Stop(context.Background()) })
	w.client, err = client.New(ctx, client.Config{URL: w.Config.NATS.URL, Tracing: otelclient.Tracing(w.provider), Wait: time.Minute})
	must(t, err)
	t.Cleanup(func() { _ = w.client.Close(context.Background()) })
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *traced) readRequests(t *testing.T) {
	p := w.Config.Providers["op"]
	at, err := url.Parse(p.TokenURL)
	must(t, err)
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: at.Scheme, Host: at.Host})
	pass.Transport = &http.Transport{DisableKeepAlives: true}
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.presented.Add(1)
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Tracestate") != "" || r.Header.Get("Baggage") != "" {
			w.leaked.Store(true)
		}
		pass.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	p.TokenURL = proxy.URL + at.Path
	w.Config.Providers["op"] = p
}

// calls makes a request in a context, whose bearer is dead, and returns the spans
// under which it was sent.
func (w *traced) calls(ctx context.Context, t *testing.T) []trace.SpanContext {
	t.Helper()
	link := w.client.Link("op", w.link.Link)
	_, err := link.Token(t.Context())
	must(t, err)
	w.Sim.Kill(w.link.Family)
	var below []trace.SpanContext
	base := &http.Transport{DisableKeepAlives: true}
	api := &http.Client{Transport: link.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		below = append(below, trace.SpanContextFromContext(r.Context()))
		return base.RoundTrip(r)
	}))}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Sim.Endpoints("op").ResourceURL, nil)
	must(t, err)
	resp, err := api.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK || resp.Request != req {
		t.Errorf("the retried request was answered %s", resp.Status)
	}
	return below
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hears waits until a subscriber has handled the rotation, and returns its handler's span.
func (w *traced) hears(t *testing.T) (span trace.SpanContext, d client.Delivery) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := w.client.Subscribe(ctx, client.SubscribeConfig{Name: "s", FromSequence: 1}, client.On(
		func(ctx context.Context, heard client.Delivery, _ events.TokenRotated) error {
			span, d = trace.SpanContextFromContext(ctx), heard
			cancel()
			return nil
		}))
	must(t, err)
	return span, d
}

// tree is who is below whom in a trace, by name.
func (w *traced) tree(t *testing.T, id trace.TraceID) map[string]string {
	t.Helper()
	name, parent := map[trace.SpanID]string{}, map[string]string{}
	for _, s := range w.spans.GetSpans() {
		name[s.SpanContext.SpanID()] = s.Name
	}
	for _, s := range w.spans.GetSpans() {
		if s.SpanContext.TraceID() != id {
			continue
		}
		if _, twice := parent[s.Name]; twice {
			t.Errorf("%s is there twice", s.Name)
		}
		parent[s.Name] = name[s.Parent.SpanID()]
	}
	return parent
}

// TestOneTrace: from a request that was refused, through worker and provider, to the
// subscriber and the request sent again.
func TestOneTrace(t *testing.T) {
	w := newTraced(t)
	ctx, request := w.provider.Tracer("service").Start(t.Context(), "request")
	sent := w.calls(ctx, t)
	request.End()
	handled, _ := w.hears(t)
	id := request.SpanContext().TraceID()
	want := map[string]string{
		"request":               "",
		"renew token":           "request",
		"send token-expired":    "renew token",
		"await token":           "renew token",
		"retry":                 "renew token",
		"process token-expired": "send token-expired",
		"lock":                  "process token-expired",
		"intent":                "process token-expired",
		"refresh":               "process token-expired",
		"commit":                "process token-expired",
		"send token-rotated":    "process token-expired",
		"process token-rotated": "process token-expired",
	}
	testenv.Eventually(t, time.Minute, "every span has ended", func() bool { return len(w.tree(t, id)) >= len(want) })
	got := w.tree(t, id)
	for name, parent := range want {
		if in, ok := got[name]; !ok || in != parent {
			t.Errorf("%q is below %q (%v), want below %q", name, in, ok, parent)
		}
	}
	if len(got) != len(want) {
		t.Errorf("spans: %v", got)
	}
	if len(sent) != 2 || sent[0].SpanID() != request.SpanContext().SpanID() || sent[1].TraceID() != id || sent[1].SpanID() == sent[0].SpanID() {
		t.Errorf("the request was sent under %v", sent)
	}
	if handled.TraceID() != id {
		t.Errorf("the event was handled in trace %s, want %s", handled.TraceID(), id)
	}
	if w.presented.Load() == 0 || w.leaked.Load() {
		t.Errorf("the provider was asked %d times, and sent our trace: %v", w.presented.Load(), w.leaked.Load())
	}
}

// TestWhatIsNotSampledStaysSo, all the way: its id goes along, and no span is kept.
func TestWhatIsNotSampledStaysSo(t *testing.T) {
	w := newTraced(t)
	const from = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	ctx := tracing.Extract(t.Context(), from)
	id := trace.SpanContextFromContext(ctx).TraceID()
	w.calls(ctx, t)
	handled, d := w.hears(t)
	if handled.TraceID() != id || handled.IsSampled() {
		t.Errorf("the event was handled in trace %s, sampled %v", handled.TraceID(), handled.IsSampled())
	}
	if carried := trace.SpanContextFromContext(tracing.Extract(t.Context(), d.Trace.Traceparent)); carried.TraceID() != id || carried.IsSampled() {
		t.Errorf("token-rotated carries %q", d.Trace.Traceparent)
	}
	if i := slices.IndexFunc(w.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.SpanContext.TraceID() == id }); i >= 0 {
		t.Errorf("%s was kept", w.spans.GetSpans()[i].Name)
	}
}
