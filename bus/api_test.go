package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
)

type handle = func(ctx context.Context, tenant string, data []byte) ([]byte, error)

// serve answers the verb list on a connection of its own.
func serve(t testing.TB, s *server, slots int, h handle) *bus.Service {
	t.Helper()
	b := connect(t, bus.Config{URL: s.run.URL(), Name: "worker-1"})
	return serveOn(t, b, slots, h)
}

func serveOn(t testing.TB, b *bus.Bus, slots int, h handle) *bus.Service {
	t.Helper()
	service, err := b.Serve(t.Context(), bus.ServiceSpec{
		Name: "regrant", Version: "1.0.0", Slots: slots, Endpoints: []bus.Endpoint{{Verb: "list", Handle: h}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := service.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return service
}

func asker(t testing.TB, s *server) *bus.Bus {
	t.Helper()
	return connect(t, bus.Config{URL: s.run.URL(), Role: "callback"})
}

func list(ctx context.Context, b *bus.Bus, tenant, user string) (api.Listed, error) {
	var out api.Listed
	err := b.Request(ctx, b.Names().Subjects().API(tenant, "list"), api.List{User: user}, &out)
	return out, err
}

// within bounds a request that must be answered.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// refusedWith says that a request met a code.
func refusedWith(t testing.TB, what string, err error, code api.Code) *api.Error {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
	return e
}

func TestTheTenantIsTheSubjects(t *testing.T) {
	s := newServer(t)
	serve(t, s, 0, func(_ context.Context, tenant string, data []byte) ([]byte, error) {
		if string(data) != `{"user":"u"}` {
			t.Errorf("received %s", data)
		}
		return json.Marshal(api.Listed{Links: []api.LinkView{{Status: tenant}}})
	})
	b := asker(t, s)
	for _, tenant := range []string{"default", "shop"} {
		if out, err := list(within(t), b, tenant, "u"); err != nil || len(out.Links) != 1 || out.Links[0].Status != tenant {
			t.Errorf("%s: %+v, %v", tenant, out, err)
		}
	}
	_, err := list(within(t), b, "No-Name", "u")
	_ = refusedWith(t, "a tenant that can be none", err, api.Invalid)
}

func TestRefusalsArrive(t *testing.T) {
	s := newServer(t)
	want := api.Error{Code: api.ConsentRequired, Message: "begin a consent", Link: "L1"}
	answers := map[string]error{
		"refused": &want, "failed": errors.New(canary), "panicked": nil, "wrapped": errors.Join(errors.New(canary), &want),
	}
	log, logged := recorder()
	b := connect(t, bus.Config{URL: s.run.URL(), Log: log})
	serveOn(t, b, 1, func(_ context.Context, _ string, data []byte) ([]byte, error) {
		in, err := api.Decode[api.List](data)
		if err != nil {
			return nil, err
		}
		if in.User == "panicked" {
			panic(canary)
		}
		return nil, answers[in.User]
	})
	for _, user := range []string{"refused", "wrapped"} {
		_, err := list(within(t), b, "default", user)
		if e := refusedWith(t, user, err, want.Code); e != nil && *e != want {
			t.Errorf("%s: got %+v", user, *e)
		}
	}
	for user, code := range map[string]api.Code{"failed": api.Unavailable, "panicked": api.Unavailable, "": api.Invalid} {
		_, err := list(within(t), b, "default", user)
		if _ = refusedWith(t, user, err, code); strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error tells what went wrong inside: %v", user, err)
		}
	}
	if text := logged(); strings.Count(text, canary) != 1 || !strings.Contains(text, "panicked") {
		t.Errorf("logged %s, want the failure's text, and not the panic's", text)
	}
}

// What others speak NATS services with sees the error in the headers.
func TestErrorsAreThoseOfNATSServices(t *testing.T) {
	s := newServer(t)
	serve(t, s, 0, func(context.Context, string, []byte) ([]byte, error) {
		return nil, api.Refuse(api.NotFound, "no such\r\nuser")
	})
	reply, err := observer(t, s).Request("regrant.api.default.list", nil, patience)
	if err != nil {
		t.Fatal(err)
	}
	if code, text := reply.Header.Get(micro.ErrorCodeHeader), reply.Header.Get(micro.ErrorHeader); code != "not_found" || !strings.HasPrefix(text, "no such") {
		t.Errorf("headers %v", reply.Header)
	}
	if !bytes.Contains(reply.Data, []byte(`"code":"not_found"`)) {
		t.Errorf("body %s", reply.Data)
	}
	info, err := observer(t, s).Request("$SRV.INFO.regrant", nil, patience)
	if err != nil || !bytes.Contains(info.Data, []byte(`"subject":"regrant.api.*.list"`)) {
		t.Errorf("not found by its name: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := newServer(t)
	b := asker(t, s)
	_, err := list(within(t), b, "default", "u")
	if e := refusedWith(t, "no worker", err, api.Unavailable); e != nil && e.Message != "no worker serves the API; start one" {
		t.Errorf("no worker: %v", e)
	}
	serve(t, s, 0, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), short.Heartbeat)
	defer cancel()
	_, err = list(ctx, b, "default", "u")
	_ = refusedWith(t, "no answer in time", err, api.Unavailable)
	_, err = list(context.WithoutCancel(t.Context()), b, "default", "u") // ends by itself
	_ = refusedWith(t, "no answer, no deadline", err, api.Unavailable)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := list(ended, b, "default", "u"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestUnreadableReplies(t *testing.T) {
	s := newServer(t)
	serve(t, s, 0, func(_ context.Context, tenant string, _ []byte) ([]byte, error) {
		if tenant == "large" {
			return bytes.Repeat([]byte("x"), 2<<20), nil
		}
		return []byte(canary), nil
	})
	b := asker(t, s)
	_, err := list(within(t), b, "default", "u")
	if e := refusedWith(t, "not JSON", err, api.Unavailable); e != nil && strings.Contains(e.Message, canary) {
		t.Errorf("the error repeats the reply: %v", e)
	}
	_, err = list(within(t), b, "large", "u")
	_ = refusedWith(t, "larger than NATS carries", err, api.Invalid)
}

func TestOneWorkerAnswersAndNoneDoesTooMuch(t *testing.T) {
	const requests, slots = 200, 3
	s := newServer(t)
	var handled atomic.Int64
	for range 2 {
		var here atomic.Int64
		serve(t, s, slots, func(context.Context, string, []byte) ([]byte, error) {
			handled.Add(1)
			if n := here.Add(1); n > slots {
				t.Errorf("%d requests at once", n)
			}
			defer here.Add(-1)
			return []byte(`{"links":[]}`), nil
		})
	}
	b := asker(t, s)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if _, err := list(within(t), b, "default", "u"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := handled.Load(); n != requests {
		t.Errorf("%d requests were handled %d times", requests, n)
	}
}

// slow is a handler that says when it begins and waits to be told to end.
type slow struct{ begun, end chan struct{} }

func newSlow() slow { return slow{make(chan struct{}, 10_000), make(chan struct{})} }

func (s slow) handle(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	s.begun <- struct{}{}
	select {
	case <-s.end:
		return []byte(`{"links":[]}`), nil
	case <-ctx.Done():
		return nil, api.Refuse(api.Unavailable, "cut short")
	}
}

// ask asks in the background.
func ask(t testing.TB, b *bus.Bus) <-chan error {
	t.Helper()
	answer := make(chan error, 1)
	ctx := within(t)
	go func() {
		_, err := list(ctx, b, "default", "u")
		answer <- err
	}()
	return answer
}

// long lets a test's own hand end what is slow, and no clock.
func long(t testing.TB, s *server) *bus.Bus {
	t.Helper()
	b := short
	b.AckWait = patience
	return connect(t, bus.Config{URL: s.run.URL(), Budget: b})
}

func TestStopWaitsForRequestsUnderWay(t *testing.T) {
	s, work := newServer(t), newSlow()
	service := serveOn(t, long(t, s), 1, work.handle)
	b := asker(t, s)
	first := ask(t, b)
	next(t, "a request begins", work.begun)
	second := ask(t, b) // waits for the slot, here or on its way: it is told to ask again
	stopped := make(chan error, 1)
	ctx := within(t)
	go func() { stopped <- service.Stop(ctx) }()
	_ = refusedWith(t, "not begun", next(t, "an answer to the second", second), api.Unavailable)
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request under way: %v", err)
	default:
	}
	close(work.end)
	if err := next(t, "the answer", first); err != nil {
		t.Error(err)
	}
	if err := next(t, "the stop", stopped); err != nil {
		t.Error(err)
	}
	_, err := list(within(t), b, "default", "u")
	_ = refusedWith(t, "after the stop", err, api.Unavailable)
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	s, work := newServer(t), newSlow()
	service := serveOn(t, long(t, s), 1, work.handle)
	answer := ask(t, asker(t, s))
	next(t, "a request begins", work.begun)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := service.Stop(ctx); err == nil || !strings.Contains(err.Error(), "1 requests still in work") {
		t.Errorf("stop: %v", err)
	}
	_ = refusedWith(t, "cut short", next(t, "the answer", answer), api.Unavailable)
}

func TestTheContextEndsTheService(t *testing.T) {
	s, work := newServer(t), newSlow()
	ctx, cancel := context.WithCancel(t.Context())
	service, err := long(t, s).Serve(ctx, bus.ServiceSpec{Name: "regrant", Version: "1.0.0", Endpoints: []bus.Endpoint{{Verb: "list", Handle: work.handle}}})
	if err != nil {
		t.Fatal(err)
	}
	answer := ask(t, asker(t, s))
	next(t, "a request begins", work.begun)
	cancel()
	_ = refusedWith(t, "cut short", next(t, "the answer", answer), api.Unavailable)
	if err := service.Stop(within(t)); err != nil {
		t.Error(err)
	}
}

func TestServeRefusesWhatNATSWould(t *testing.T) {
	b := connect(t, bus.Config{URL: newServer(t).run.URL()})
	for name, spec := range map[string]bus.ServiceSpec{
		"no version": {Name: "regrant"},
		"bad verb":   {Name: "regrant", Version: "1.0.0", Endpoints: []bus.Endpoint{{Verb: "a b"}}},
	} {
		if _, err := b.Serve(t.Context(), spec); err == nil {
			t.Errorf("%s: served", name)
		}
	}
}

// A worker may lose its server; its API is back with the connection.
func TestTheAPIOutlivesTheServer(t *testing.T) {
	s := newServer(t)
	serve(t, s, 0, func(context.Context, string, []byte) ([]byte, error) { return []byte(`{"links":[]}`), nil })
	b := asker(t, s)
	if _, err := list(within(t), b, "default", "u"); err != nil {
		t.Fatal(err)
	}
	s.stop()
	briefly := func() error { // the asker may not have noticed yet, and then waits in vain
		ctx, cancel := context.WithTimeout(t.Context(), short.AckWait)
		defer cancel()
		_, err := list(ctx, b, "default", "u")
		return err
	}
	_ = refusedWith(t, "no server", briefly(), api.Unavailable)
	s.start()
	ctx := within(t)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for briefly() != nil {
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatal("the API did not come back")
		}
	}
}
