package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must come; nothing waits for it when well.
const patience = 30 * time.Second

var first = events.Address{Tenant: "default", Provider: "op", Link: "L1"}

// server is a NATS server that can go away and come back on the same port.
type server struct {
	t   testing.TB
	cfg embedded.NATSConfig
	run *embedded.NATS
}

func newServer(t testing.TB) *server {
	s := &server{t: t, cfg: embedded.NATSConfig{Port: -1, StoreDir: t.TempDir(), Log: testenv.Log(t)}}
	s.start()
	t.Cleanup(s.stop)
	u, err := url.Parse(s.run.URL())
	must(t, err)
	s.cfg.Port, _ = strconv.Atoi(u.Port())
	return s
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	s.run, err = embedded.StartNATS(ctx, s.cfg)
	must(s.t, err)
}

func (s *server) stop() {
	if err := s.run.Close(); err != nil {
		s.t.Errorf("stop the server: %v", err)
	}
}

// workers stands for the workers of a cell: it answers requests for tokens, counts
// reports as they pass, and rotates when told to, or at each report.
type workers struct {
	t      testing.TB
	server *server
	bus    *bus.Bus

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, at every change
	links   map[events.Address]*record
	reports []events.TokenExpired
	asked   int
	// manual: reports do not rotate by themselves.
	manual bool
	subs   []*nats.Subscription
}

// record is a link as the workers have it.
type record struct {
	generation uint64
	expires    time.Time
	refusal    *api.Error
	number     uint64
	// lags: so many answers are of the generation before, as a replica's may be.
	lags int
}

func bearer(a events.Address, generation uint64) string {
	return fmt.Sprintf("bearer-%s-%d", a.Link, generation)
}

// cell is a server with workers and one link.
func cell(t testing.TB) *workers {
	t.Helper()
	w := &workers{t: t, server: newServer(t), changed: make(chan struct{}), links: map[events.Address]*record{first: {generation: 1}}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	w.bus, err = bus.Connect(ctx, bus.Config{URL: w.server.run.URL(), Name: "worker-1", Log: testenv.Log(t)})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = w.bus.Close(ctx) // an error where the test took the server away
	})
	_, err = w.bus.Provision(ctx, bus.Plan{Providers: []string{"op", "bank"}})
	must(t, err)
	w.serve()
	w.subscribe("regrant.in.>", w.report)
	return w
}

// serve begins to answer for tokens; stopServing ends it.
func (w *workers) serve() {
	w.subscribe("regrant.api.*.*.*.token", func(m *nats.Msg) { go w.answer(m) })
}

func (w *workers) stopServing() {
	must(w.t, w.subs[0].Unsubscribe())
	must(w.t, w.bus.Conn().Flush())
}

func (w *workers) subscribe(subject string, do func(*nats.Msg)) {
	w.t.Helper()
	sub, err := w.bus.Conn().Subscribe(subject, do)
	must(w.t, err)
	must(w.t, w.bus.Conn().Flush())
	w.subs = append(w.subs, sub)
}

// answer is the token endpoint, long-poll included.
func (w *workers) answer(m *nats.Msg) {
	a, _, err := events.Subjects{}.ParseAPILink(m.Subject)
	var in api.Token
	if err != nil || json.Unmarshal(m.Data, &in) != nil {
		w.t.Errorf("asked on %s: %s", m.Subject, m.Data)
		return
	}
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	over := time.After(in.Patience())
	for {
		out, refusal, changed := w.look(a, in.MinGeneration)
		if refusal == nil || refusal.Code != api.Pending {
			w.respond(m, out, refusal)
			return
		}
		select {
		case <-changed:
		case <-over:
			w.respond(m, out, refusal)
			return
		case <-w.t.Context().Done():
			return
		}
	}
}

func (w *workers) look(a events.Address, least uint64) (api.Bearer, *api.Error, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.links[a]
	switch {
	case r == nil:
		return api.Bearer{}, api.Refuse(api.NotFound, "there is no such link"), w.changed
	case r.refusal != nil:
		return api.Bearer{}, r.refusal, w.changed
	case r.generation < least:
		return api.Bearer{}, api.Refuse(api.Pending, "generation %d is not there yet", least), w.changed
	}
	generation := r.generation
	if r.lags > 0 {
		r.lags--
		generation--
	}
	return api.Bearer{
		AccessToken: api.Secret(bearer(a, generation)), TokenType: "bearer", Generation: generation, Consent: 1,
		ExpiresAt: r.expires, Fingerprint: events.Fingerprint(bearer(a, generation)), Status: "active",
	}, nil, w.changed
}

func (w *workers) respond(m *nats.Msg, out api.Bearer, refusal *api.Error) {
	reply := nats.NewMsg(m.Reply)
	reply.Data, _ = json.Marshal(out)
	if refusal != nil {
		reply.Header.Set(micro.ErrorCodeHeader, string(refusal.Code))
		reply.Data, _ = json.Marshal(refusal)
	}
	_ = w.bus.Conn().PublishMsg(reply) // the test may have ended
}

// report sees every report on the wire, those that the stream drops included.
func (w *workers) report(m *nats.Msg) {
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		w.t.Error(err)
		return
	}
	a, name, err := events.Subjects{}.ParseIn(m.Subject)
	if err != nil || events.Check(e, a, name) != nil {
		w.t.Errorf("%s: %v, %v", m.Subject, err, events.Check(e, a, name))
		return
	}
	d, err := events.As[events.TokenExpired](e)
	if err != nil {
		w.t.Error(err)
		return
	}
	if g, ok := events.GenerationOf(m.Header); !ok || g != d.Generation || m.Header.Get(events.HeaderMsgID) == "" {
		w.t.Errorf("headers %v of a report of generation %d", m.Header, d.Generation)
	}
	w.mu.Lock()
	w.reports = append(w.reports, d)
	rotate := !w.manual && w.links[a] != nil && w.links[a].generation == d.Generation
	w.wake()
	w.mu.Unlock()
	if rotate {
		w.rotate(a, false)
	}
}

// wake is called under mu.
func (w *workers) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// set changes a link.
func (w *workers) set(a events.Address, change func(*record)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.links[a] == nil {
		w.links[a] = &record{generation: 1}
	}
	change(w.links[a])
	w.wake()
}

// rotate makes a new generation and announces it.
func (w *workers) rotate(a events.Address, stillValid bool) {
	d := events.TokenRotated{Address: a, Consent: 1, Cause: events.CauseRefresh, PreviousStillValid: stillValid, Comparison: events.ComparisonSame}
	w.set(a, func(r *record) {
		r.generation++
		d.Generation, d.PreviousGeneration = r.generation, r.generation-1
	})
	w.announce(d)
}

// announce stores an output of a link.
func (w *workers) announce(d events.Data) {
	a := events.AddressOf(d)
	var number uint64
	w.set(a, func(r *record) { r.number++; number = r.number })
	e, err := events.NewOutput("//worker", number, time.Now(), events.Trace{Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, d)
	if err != nil {
		w.t.Error(err)
		return
	}
	m, err := events.Subjects{}.OutputMessage(e)
	if err != nil {
		w.t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.bus.PublishOutput(ctx, m); err != nil {
		w.t.Error(err)
	}
}

// reported are the reports so far.
func (w *workers) reported() []events.TokenExpired {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]events.TokenExpired(nil), w.reports...)
}

func (w *workers) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// awaitReports waits until so many reports have passed.
func (w *workers) awaitReports(n int) []events.TokenExpired {
	w.t.Helper()
	testenv.Eventually(w.t, patience, fmt.Sprintf("%d reports", n), func() bool { return len(w.reported()) >= n })
	return w.reported()
}

// service is a client of the cell.
func (w *workers) service(change func(*client.Config)) *client.Client {
	w.t.Helper()
	cfg := client.Config{URL: w.server.run.URL(), Name: "shop", Log: testenv.Log(w.t), Wait: patience}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	c, err := client.New(ctx, cfg)
	must(w.t, err)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = c.Close(ctx) // an error where the test took the server away
	})
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func next[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came: %s", what)
		panic("unreachable")
	}
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	testenv.Eventually(t, patience, what, done)
}

// settled returns when what the services published before has passed the server,
// and come here.
func (w *workers) settled() {
	w.t.Helper()
	must(w.t, w.bus.Conn().Flush())
}
