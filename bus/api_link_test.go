package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

type handleLink = func(ctx context.Context, a events.Address, data []byte) ([]byte, error)

// serveLinks answers the verb token of links, and the verb list, on b.
func serveLinks(t testing.TB, b *bus.Bus, slots int, waits time.Duration, h handleLink, l handle) *bus.Service {
	t.Helper()
	service, err := b.Serve(t.Context(), bus.ServiceSpec{Name: "regrant", Version: "1.0.0", Slots: slots, Endpoints: []bus.Endpoint{
		{Verb: "token", HandleLink: h, Waits: waits}, {Verb: "list", Handle: l},
	}})
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

func token(ctx context.Context, b *bus.Bus, subject string) (api.Bearer, error) {
	var out api.Bearer
	err := b.Request(ctx, subject, api.Token{}, &out)
	return out, err
}

func nothingListed(context.Context, string, []byte) ([]byte, error) {
	return []byte(`{"links":[]}`), nil
}

// named answers with the link that a request was about.
func named(_ context.Context, a events.Address, _ []byte) ([]byte, error) {
	return json.Marshal(api.Bearer{Fingerprint: a.String()})
}

func TestTheLinkIsTheSubjects(t *testing.T) {
	s := newServer(t)
	serveLinks(t, connect(t, bus.Config{URL: s.run.URL()}), 0, 0, named, nothingListed)
	b := asker(t, s)
	subjects := b.Names().Subjects()
	for _, a := range []events.Address{link, {Tenant: "shop", Provider: "bank", Link: "L-2"}} {
		if out, err := token(within(t), b, subjects.APILink(a, "token")); err != nil || out.Fingerprint != a.String() {
			t.Errorf("%s: got %q, %v", a, out.Fingerprint, err)
		}
	}
	for _, subject := range []string{"regrant.api.No-Name.op.L1.token", "regrant.api.default.op.L$1.token"} {
		_, err := token(within(t), b, subject)
		_ = refusedWith(t, subject, err, api.Invalid)
	}
	for _, subject := range []string{subjects.API("default", "token"), subjects.APILink(link, "list"), "regrant.api.default.op.L1.more.token"} {
		if _, err := token(within(t), b, subject); refusedWith(t, subject, err, api.Unavailable).Message != "no worker serves the API; start one" {
			t.Errorf("%s is served: %v", subject, err)
		}
	}
}

// gate is a handler that waits for its end without a slot.
type gate struct{ begun, end chan struct{} }

func newGate() gate { return gate{make(chan struct{}, 10_000), make(chan struct{})} }

func (g gate) handle(ctx context.Context, a events.Address, data []byte) ([]byte, error) {
	g.begun <- struct{}{}
	inbox.Waiting(ctx, func() {
		select {
		case <-g.end:
		case <-ctx.Done():
		}
	})
	return named(ctx, a, data)
}

// askMany asks for the bearers of so many links at once.
func askMany(t *testing.T, b *bus.Bus, n int) (answers *sync.WaitGroup) {
	t.Helper()
	answers = new(sync.WaitGroup)
	ctx := within(t)
	for i := range n {
		answers.Go(func() {
			a := events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprint("L", i)}
			if out, err := token(ctx, b, b.Names().Subjects().APILink(a, "token")); err != nil || out.Fingerprint != a.String() {
				t.Errorf("%s: %v", a, err)
			}
		})
	}
	return answers
}

func TestWhoeverWaitsHoldsNoSlot(t *testing.T) {
	const waiters = 500
	s, wait := newServer(t), newGate()
	serveLinks(t, long(t, s), 1, 0, wait.handle, nothingListed)
	b := asker(t, s)
	answers := askMany(t, b, waiters)
	for range waiters {
		next(t, "a request begins to wait", wait.begun)
	}
	if _, err := list(within(t), b, "default", "u"); err != nil {
		t.Errorf("with %d waiting: %v", waiters, err)
	}
	close(wait.end)
	answers.Wait()
}

func TestARequestMayWaitAsLongAsItsEndpointSays(t *testing.T) {
	const waits = time.Hour
	s, left := newServer(t), make(chan time.Duration, 2)
	tell := func(ctx context.Context) {
		end, _ := ctx.Deadline()
		left <- time.Until(end)
	}
	serveLinks(t, long(t, s), 1, waits,
		func(ctx context.Context, a events.Address, data []byte) ([]byte, error) {
			tell(ctx)
			return named(ctx, a, data)
		},
		func(ctx context.Context, tenant string, data []byte) ([]byte, error) {
			tell(ctx)
			return nothingListed(ctx, tenant, data)
		})
	b := asker(t, s)
	if _, err := token(within(t), b, b.Names().Subjects().APILink(link, "token")); err != nil {
		t.Error(err)
	}
	if _, err := list(within(t), b, "default", "u"); err != nil {
		t.Error(err)
	}
	if d := <-left; d < waits || d > waits+patience {
		t.Errorf("one that may wait has %v", d)
	}
	if d := <-left; d > patience {
		t.Errorf("one that may not has %v", d)
	}
}

// A storm of requests comes while the slots are taken: none is dropped.
func TestABurstIsAnswered(t *testing.T) {
	const burst = 5000
	s, busy := newServer(t), make(chan struct{})
	worker := long(t, s)
	serveLinks(t, worker, 2, 0, func(ctx context.Context, a events.Address, data []byte) ([]byte, error) {
		<-busy
		return named(ctx, a, data)
	}, nothingListed)
	b := asker(t, s)
	answers := askMany(t, b, burst)
	testenv.Eventually(t, patience, "all are sent", func() bool { return b.Conn().Stats().OutMsgs >= burst })
	for _, conn := range []*bus.Bus{b, worker} { // everything has reached the worker then
		if err := conn.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
	}
	close(busy)
	answers.Wait()
}

// A service stops with requests waiting, and more that wait for a slot.
func TestStopWithWaitersAndAQueue(t *testing.T) {
	const waiters, queued = 50, 1000
	s, wait, busy := newServer(t), newGate(), newSlow()
	worker := long(t, s)
	service := serveLinks(t, worker, 1, 0, wait.handle, busy.handle)
	b := asker(t, s)
	answers := askMany(t, b, waiters)
	for range waiters {
		next(t, "a request begins to wait", wait.begun)
	}
	first := ask(t, b)
	next(t, "a request takes the slot", busy.begun)
	var told []<-chan error
	for range queued {
		told = append(told, ask(t, b))
	}
	if err := b.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	ctx := within(t)
	close(busy.end) // the slot is free, and the queue is long
	go func() { stopped <- service.Stop(ctx) }()
	for _, answer := range told {
		if err := next(t, "an answer", answer); err != nil {
			_ = refusedWith(t, "not begun", err, api.Unavailable)
		}
	}
	if err := next(t, "the answer", first); err != nil {
		t.Error(err)
	}
	close(wait.end)
	answers.Wait()
	if err := next(t, "the stop", stopped); err != nil {
		t.Error(err)
	}
}
