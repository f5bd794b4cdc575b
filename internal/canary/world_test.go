package canary_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/tracing"
)

// limit bounds waits. No machine is too slow for it, and nothing waits for it when well.
const limit = time.Minute

// world is a cell whose every word is kept: log, metrics, files, streams.
type world struct {
	t        *testing.T
	cell     *fleet.Cell
	store    string // NATS's files
	spool    string
	log      *buffer
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *worker.Endpoint
	tracer   tracing.Tracer
	spans    *tracetest.InMemoryExporter // nil: nobody traces
	links    []fleet.Link
	// locks is the lock server's address.
	locks string
	flows
	taps
	// api and cli are what the API answered to bad requests, and what the commands
	// printed.
	api, cli buffer

	mu      sync.Mutex
	spooled []byte // the spool's files as they were while they were there
}

// newWorld is a cell with one worker, at three providers that users consent to.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.build(w.providers(), time.Second)
	w.consentable()
	w.spans = tracetest.NewInMemoryExporter()
	w.tracer = tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans)))
	run, err := w.cell.Start(t.Context(), "w", func(o *worker.Options) { o.Registry, o.Probe, o.Tracer = w.registry, w.keep, w.tracer })
	w.ok(err)
	w.end(run.Stop)
	w.metrics, err = worker.Serve("127.0.0.1:0", w.registry, run.Ready)
	w.ok(err)
	w.end(w.metrics.Close)
	return w
}

// build makes the cell and nobody who works in it.
func (w *world) build(providers map[string]fleet.Provider, lockTTL time.Duration) {
	t := w.t
	t.Helper()
	w.store, w.log, w.registry = t.TempDir(), &buffer{}, prometheus.NewRegistry()
	w.logger = slog.New(slog.NewTextHandler(io.MultiWriter(w.log, testenv.LogWriter(t)), &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	server, err := embedded.StartNATS(t.Context(), embedded.NATSConfig{Port: -1, StoreDir: w.store, Log: w.logger})
	w.ok(err)
	t.Cleanup(func() { w.ok(server.Close()) })
	w.locks = w.tapLocks(testenv.Redis(t))
	w.cell, err = fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: server.URL(), RedisURL: w.locks, Prefix: "canary", LockTTL: lockTTL, Log: w.logger,
		Providers: providers,
	})
	w.ok(err)
	w.end(w.cell.Close)
	w.spool = filepath.Join(w.cell.Config.DataDir, "spool")
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) end(end func(context.Context) error) {
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		w.ok(end(ctx))
	})
}

// keep copies the spool while an answer is in it.
func (w *world) keep(s handlers.Step, when handlers.When, _ events.Address) {
	if s == handlers.StepSpool && when == handlers.After {
		w.keepSpool()
	}
}

// keepSpool copies the files that are in the spool now.
func (w *world) keepSpool() {
	w.mu.Lock()
	defer w.mu.Unlock()
	all, _ := filepath.Glob(filepath.Join(w.spool, "*", "*"))
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err == nil { // else another link's answer is committed already
			w.spooled = append(append(w.spooled, file...), text...)
		}
	}
}

// faults are what the provider does to the refresh of the link of that name.
var faults = map[string]providertest.Fault{
	"answer lost":   {When: providertest.After, Kind: providertest.Reset},
	"answer cut":    {When: providertest.After, Kind: providertest.Truncate},
	"garbage":       {When: providertest.After, Kind: providertest.Garbage},
	"server error":  {When: providertest.After, Kind: providertest.Status500},
	"redirect":      {When: providertest.Before, Kind: providertest.Redirect},
	"put off":       {When: providertest.Before, Kind: providertest.Status429, RetryAfter: "1"},
	"refused":       {When: providertest.Before, Kind: providertest.ErrorReply, Code: "invalid_scope"},
	"other subject": {When: providertest.After, Kind: providertest.OtherSubject},
	"foreign key":   {When: providertest.After, Kind: providertest.ForeignKey},
}

// elsewhere are faults that suspend the app: each has one of its own, for the others'
// links wait for its probe.
var elsewhere = map[string]string{"redirect": "plain", "refused": "hold"}

// happens lets a link of its own meet a fault, and waits until it is in the
// state, or in any that is not a refresh under way.
func (w *world) happens(name string, want links.Status) {
	w.t.Helper()
	provider := cmp.Or(elsewhere[name], "op")
	made, err := w.cell.Import(w.t.Context(), provider, 1)
	w.ok(err)
	l := made[0]
	w.links = append(w.links, l)
	if f, ok := faults[name]; ok {
		f.Family = l.Family
		w.cell.Sim.Script(provider, f)
	}
	if name == "grant dead" {
		w.cell.Sim.KillGrant(l.Family)
	}
	m, err := w.cell.Report(events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
	w.ok(err)
	w.ok(w.cell.Bus.PublishInput(w.t.Context(), m))
	testenv.Eventually(w.t, limit, name+" is judged", func() bool {
		got, err := w.cell.Link(w.t.Context(), l.Address)
		w.ok(err)
		switch want {
		case "":
			return len(w.presentations(l)) > 0 && got.Status != links.Refreshing
		case links.Active:
			return got.Generation == 2 && got.Status == want
		}
		return got.Status == want
	})
}

func (w *world) presentations(l fleet.Link) []providertest.Presentation {
	ledger, err := w.cell.Sim.Ledger()
	w.ok(err)
	return ledger.Presentations(providertest.Filter{Family: l.Family})
}

// badInputs publishes inputs that are bad in every way, each with a canary of
// its own, and waits until each is a dead letter. It returns the canaries.
func (w *world) badInputs() []string {
	w.t.Helper()
	l := w.links[slices.IndexFunc(w.links, func(l fleet.Link) bool { return l.Address.Provider == "op" })]
	subject := "canary.in.default.op." + l.Link + ".token-expired"
	header := nats.Header{"Content-Type": {events.ContentType}}
	event := func(link, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"//r","type":"dev.regrant.token-expired.v1","subject":%q,"data":{"tenant":"default","provider":"op","link":%q,%s}}`, link, link, data)
	}
	bad := []struct {
		subject string
		header  nats.Header
		body    string
	}{
		{subject, header, "@"},
		{subject, header, strings.Repeat("@", 5000)},
		{subject, header, event(l.Link, `"generation":"@","reason":"unauthorized"`)},
		{subject, header, event(l.Link, `"generation":1,"reason":"@"`)},
		{subject, header, event(l.Link, `"generation":1,"reason":"unauthorized","@":1`)},
		{subject, header, event(l.Link, `"generation":1,"reason":"unauthorized","refresh_token":"@"`)},
		{subject, header, event("another", `"generation":1,"reason":"unauthorized","error":"@"`)},
		{subject, header, event(l.Link, `"generation":99,"reason":"unauthorized","error":"@"`)},
		{"canary.in.default.op.nobody.token-expired", header, event("nobody", `"generation":1,"reason":"unauthorized","error":"@"`)},
		{"canary.in.foreign.op." + l.Link + ".token-expired", header, event(l.Link, `"generation":1,"reason":"unauthorized","error":"@"`)},
		{subject, nats.Header{"Content-Type": {"@"}}, "{}"},
		{subject, nats.Header{"Ce-Id": {"@"}, "Ce-Type": {"@"}, "Ce-Specversion": {"1.0"}, "Content-Type": {"application/json"}}, `{"@":"@"}`},
		{subject, nats.Header{"Regrant-Generation": {"@"}, "Content-Type": {events.ContentType}}, "{"},
		{"canary.in.default.op." + l.Link + ".reconsent-completed", header, strings.ReplaceAll(event(l.Link, `"state":"s","code":"@","iss":"i"`), "token-expired", "reconsent-completed")},
	}
	var canaries []string
	for i, b := range bad {
		canary := fmt.Sprintf("canary%02d-sent-in-a-bad-input", i)
		canaries = append(canaries, canary)
		m := &nats.Msg{Subject: b.subject, Header: nats.Header{}, Data: []byte(strings.ReplaceAll(b.body, "@", canary))}
		for name, values := range b.header {
			m.Header.Set(name, strings.ReplaceAll(values[0], "@", canary))
		}
		_, err := w.cell.Bus.JetStream().PublishMsg(w.t.Context(), m)
		w.ok(err)
	}
	testenv.Eventually(w.t, limit, "every bad input is a dead letter", func() bool {
		s, err := w.cell.Bus.JetStream().Stream(w.t.Context(), w.cell.Bus.Names().Dead())
		w.ok(err)
		return s.CachedInfo().State.Msgs == uint64(len(bad))
	})
	return canaries
}

// traces is every span of the worker, with all that is in it.
func (w *world) traces() []byte {
	if w.spans == nil {
		return nil
	}
	return fmt.Appendf(nil, "%+v", w.spans.GetSpans())
}

// inputs is the place that rightly holds what was sent.
func (w *world) inputs() string { return "nats/CANARY_IN" }

// places is everything that is written anywhere, by place.
func (w *world) places() map[string][]byte {
	w.t.Helper()
	all := map[string][]byte{"log": w.log.bytes(), "metrics": w.scrape(), "api": w.api.bytes(), "cli": w.cli.bytes(), "redis": w.redis.bytes(), "spans": w.traces()}
	for _, name := range []string{"CANARY_OUT", "CANARY_DEAD", "CANARY_AUDIT", "CANARY_TIMER", "KV_canary_links", "KV_canary_index", "KV_canary_consents"} {
		all["stream "+name] = w.stream(name)
	}
	for name, text := range files(w.t, filepath.Join(w.store, "jetstream", "$G", "streams")) {
		all["nats/"+name] = text
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all["spool"] = bytes.Clone(w.spooled)
	for _, text := range files(w.t, w.spool) {
		all["spool"] = append(all["spool"], text...)
	}
	return all
}

func (w *world) scrape() []byte {
	if w.metrics == nil {
		return nil
	}
	return w.scrapeAt(w.metrics.Addr())
}

func (w *world) scrapeAt(addr string) []byte {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + addr + "/metrics")
	w.ok(err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	w.ok(err)
	return text
}

// stream is every message of a stream as the server hands it out.
func (w *world) stream(name string) []byte {
	s, err := w.cell.Bus.JetStream().Stream(w.t.Context(), name)
	w.ok(err)
	var all bytes.Buffer
	state := s.CachedInfo().State
	for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		w.ok(err)
		fmt.Fprintf(&all, "%s %v %s\n", m.Subject, m.Header, m.Data)
	}
	return all.Bytes()
}

// plant puts a secret where each place could have got it from.
func (w *world) plant(secret string) {
	ctx := w.t.Context()
	w.logger.Debug("planted", "err", fmt.Errorf("posted refresh_token=%s", secret))
	planted := prometheus.NewCounter(prometheus.CounterOpts{Name: "planted", ConstLabels: prometheus.Labels{"token": secret}})
	w.registry.MustRegister(planted)
	_, span := w.tracer.Start(ctx, "planted", events.Address{})
	span.End("could not present " + secret)
	js := w.cell.Bus.JetStream()
	for _, subject := range []string{"canary.out.default.op.l.token-rotated", "canary.dead.default.op.l.token-expired", "canary.timer.default.op.l", "canary.audit.token-read.default.op.l"} {
		_, err := js.Publish(ctx, subject, []byte(`{"token":"`+secret+`"}`))
		w.ok(err)
	}
	names := w.cell.Bus.Names()
	for _, bucket := range []string{names.Links(), names.Index(), names.Consents()} {
		kv, err := js.KeyValue(ctx, bucket)
		w.ok(err)
		_, err = kv.Put(ctx, "default.op.planted", []byte(base64.StdEncoding.EncodeToString([]byte("x"+secret))))
		w.ok(err)
	}
	_, err := w.api.Write([]byte("state: " + secret + " is not one"))
	w.ok(err)
	_, err = fmt.Fprintf(&w.cli, "%q", secret)
	w.ok(err)
	options, err := redis.ParseURL(w.locks)
	w.ok(err)
	locks := redis.NewClient(options)
	defer func() { w.ok(locks.Close()) }()
	w.ok(locks.Set(ctx, "lock:"+secret, "", 0).Err())
	w.ok(os.MkdirAll(filepath.Join(w.spool, "w"), 0o700))
	w.ok(os.WriteFile(filepath.Join(w.spool, "w", "planted.journal"), []byte(hex.EncodeToString([]byte(secret))), 0o600))
}

// forms are texts that each hold the secret in another way.
func forms(secret string) []string {
	quoted := strings.ReplaceAll(secret, "&", `\u0026`)
	all := []string{"a " + secret + " b", "token=" + url.QueryEscape(secret), hex.EncodeToString([]byte("ab" + secret)), `{"t":"` + quoted + `"}`}
	for _, before := range []string{"", "a", "ab", "abc"} {
		text := []byte(before + secret + "after")
		all = append(all, base64.StdEncoding.EncodeToString(text), base64.URLEncoding.EncodeToString(text))
	}
	return all
}

// buffer is an output for many writers.
type buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *buffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.all.Bytes())
}
