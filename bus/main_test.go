package bus_test

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must come; nothing waits for it when well.
const patience = 30 * time.Second

var (
	short = budget.Of(budget.Default / 50)
	link  = events.Address{Tenant: "default", Provider: "op", Link: "L1"}
)

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
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Port, _ = strconv.Atoi(u.Port())
	return s
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if s.run, err = embedded.StartNATS(ctx, s.cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) stop() {
	if err := s.run.Close(); err != nil {
		s.t.Errorf("stop the server: %v", err)
	}
}

func connect(t testing.TB, cfg bus.Config) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if cfg.Log == nil {
		cfg.Log = testenv.Log(t)
	}
	if cfg.Budget == (budget.Budget{}) {
		cfg.Budget = short
	}
	b, err := bus.Connect(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Close(ctx) // an error where the test took the server away
	})
	return b
}

func provision(t testing.TB, b *bus.Bus, bud budget.Budget) {
	t.Helper()
	if _, err := b.Provision(t.Context(), bus.Plan{Providers: []string{"op", "bank"}, Budget: bud}); err != nil {
		t.Fatal(err)
	}
}

// cell is a provisioned cell with the short budget.
func cell(t testing.TB) (*bus.Bus, *server) {
	t.Helper()
	s := newServer(t)
	b := connect(t, bus.Config{URL: s.run.URL(), Name: "worker-1"})
	provision(t, b, short)
	return b, s
}

// handler is a bus.Handler of functions; a nil peek looks at nothing.
type handler struct {
	peek   func(*inbox.Message) (inbox.Verdict, bool)
	handle func(context.Context, *inbox.Message) inbox.Verdict
}

func (h handler) Peek(m *inbox.Message) (inbox.Verdict, bool) {
	if h.peek == nil {
		return inbox.Verdict{}, false
	}
	return h.peek(m)
}

func (h handler) Handle(ctx context.Context, m *inbox.Message) inbox.Verdict { return h.handle(ctx, m) }

func answering(v inbox.Verdict) handler {
	return handler{handle: func(context.Context, *inbox.Message) inbox.Verdict { return v }}
}

// consume takes op's inputs and stops before the connection closes.
func consume(t testing.TB, b *bus.Bus, slots int, h bus.Handler) *bus.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), bus.ConsumerSpec{
		Stream: b.Names().In(), Durable: b.Names().WorkerConsumer("op"), Slots: slots, Handler: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // t.Context has ended by then; a handler may hang in a test that failed
		select {
		case <-c.Done():
		case <-time.After(patience):
			t.Error("the consumer did not end with its context")
		}
	})
	return c
}

// report publishes an input of the link; its body is what no dead letter may hold.
func report(t testing.TB, b *bus.Bus, id string) {
	t.Helper()
	err := b.PublishInput(t.Context(), events.Message{
		Subject: b.Names().Subjects().In(link, events.NameTokenExpired),
		Header:  map[string][]string{events.HeaderMsgID: {id}},
		Data:    []byte(canary),
	})
	if err != nil {
		t.Fatal(err)
	}
}

const canary = "canary-93b1"

// acks records the acknowledgements as they pass on the wire.
func acks(t testing.TB, s *server) <-chan string {
	t.Helper()
	conn := observer(t, s)
	out := make(chan string, 1<<14)
	_, err := conn.Subscribe("$JS.ACK.>", func(m *nats.Msg) { out <- string(m.Data) })
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// observer is a connection of the test's own, next to the one under test.
func observer(t testing.TB, s *server) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(s.run.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// next waits for a value.
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

func consumerInfo(t testing.TB, b *bus.Bus) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := b.JetStream().Consumer(t.Context(), b.Names().In(), b.Names().WorkerConsumer("op"))
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

func messages(t testing.TB, b *bus.Bus, stream string) uint64 {
	t.Helper()
	s, err := b.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func stop(t testing.TB, c *bus.Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func testTimeout() <-chan time.Time { return time.After(patience) }

// recorder is a log and the means to read it.
func recorder() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		text.Write(p)
	}), nil))
	return log, func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
