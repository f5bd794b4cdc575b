package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
)

// running is a call of Subscribe under way.
type running struct {
	t     testing.TB
	stop  context.CancelFunc
	ended chan error
}

func subscribe(t testing.TB, c *client.Client, cfg client.SubscribeConfig, routes ...client.Route) *running {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "crm"
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- c.Subscribe(ctx, cfg, routes...); close(r.ended) }()
	t.Cleanup(func() { cancel(); r.wait() })
	return r
}

func (r *running) wait() error {
	r.t.Helper()
	r.stop()
	return next(r.t, "the end of the subscription", r.ended)
}

// into is a route that passes everything on.
func into(out chan client.Delivery) client.Route {
	return client.OnAny(func(_ context.Context, d client.Delivery) error { out <- d; return nil })
}

var oldest = client.SubscribeConfig{FromSequence: 1}

func TestTypedHandlersGetTheirEvents(t *testing.T) {
	w := cell(t)
	type traceKey struct{}
	c := w.service(func(c *client.Config) {
		c.Tracing.Extract = func(ctx context.Context, traceparent string) context.Context {
			return context.WithValue(ctx, traceKey{}, traceparent)
		}
	})
	w.rotate(first, true)
	w.announce(events.ConsentRequired{Address: first, Nickname: "Main bank", Generation: 2, Consent: 1, Reason: "grant_dead"})
	w.announce(events.LinkRecovered{Address: first, Generation: 2, Consent: 1, From: "consent_required"})
	got := make(chan string, 10)
	subscribe(t, c, oldest,
		client.On(func(ctx context.Context, d client.Delivery, e events.TokenRotated) error {
			got <- fmt.Sprint(d.Name, e.Generation, d.Generation, d.Number, d.Attempt, d.Late, ctx.Value(traceKey{}) == d.Trace.Traceparent, d.Trace.CausationID == d.Key.ID)
			return nil
		}),
		client.On(func(_ context.Context, d client.Delivery, e events.ConsentRequired) error {
			got <- e.Nickname
			return nil
		}))
	for _, want := range []string{"token-rotated2 2 1 1 false true true", "Main bank"} {
		if is := next(t, want, got); is != want {
			t.Errorf("got %q, want %q", is, want)
		}
	}
	w.rotate(first, false)
	if is := next(t, "live", got); is != "token-rotated3 3 4 1 false true true" {
		t.Errorf("got %q", is)
	}
}

func TestASubscriptionGoesOnWhereItWas(t *testing.T) {
	w := cell(t)
	w.rotate(first, true)
	got := make(chan client.Delivery, 10)
	one := subscribe(t, w.service(nil), client.SubscribeConfig{}, into(got)) // from now on
	waitFor(t, "the subscription", func() bool {
		_, err := w.bus.JetStream().Consumer(t.Context(), "REGRANT_OUT", "sub-default-crm")
		return err == nil
	})
	w.rotate(first, true)
	if d := next(t, "what came after it began", got); d.Generation != 3 {
		t.Errorf("generation %d", d.Generation)
	}
	if err := one.wait(); err != nil {
		t.Error(err)
	}
	w.rotate(first, true)
	c := w.service(nil)
	two := subscribe(t, c, client.SubscribeConfig{FromSequence: 1}, // exists: FromSequence is for new ones
		client.On(func(_ context.Context, d client.Delivery, _ events.TokenRotated) error { got <- d; return nil }))
	if d := next(t, "what came meanwhile", got); d.Generation != 4 {
		t.Errorf("generation %d", d.Generation)
	}
	_ = two.wait()
	must(t, c.Unsubscribe(within(t), "crm"))
	must(t, c.Unsubscribe(within(t), "crm"))
	subscribe(t, c, client.SubscribeConfig{Since: time.Now().Add(-time.Hour)}, into(got))
	if d := next(t, "anew", got); d.Generation != 2 {
		t.Errorf("generation %d", d.Generation)
	}
}

// A handler may take longer than AckWait: the server is told that it is at work.
func TestALongHandlerKeepsItsEvent(t *testing.T) {
	w := cell(t)
	beats := make(chan struct{}, 100)
	w.subscribe("$JS.ACK.>", func(m *nats.Msg) {
		if string(m.Data) == "+WPI" {
			beats <- struct{}{}
		}
	})
	w.rotate(first, true)
	release, got := make(chan struct{}), make(chan client.Delivery, 10)
	subscribe(t, w.service(nil), client.SubscribeConfig{FromSequence: 1, AckWait: 300 * time.Millisecond},
		client.OnAny(func(_ context.Context, d client.Delivery) error { got <- d; <-release; return nil }))
	next(t, "the event", got)
	for range 3 {
		next(t, "word that the event is in work", beats)
	}
	close(release)
	waitFor(t, "the acknowledgement", func() bool { return pending(w) == 0 })
}

// Sixteen slots, and the events of each link come one at a time and in order.
func TestTheEventsOfALinkComeInOrder(t *testing.T) {
	w := cell(t)
	const links, each = 5, 60
	for g := range each {
		for l := range links {
			w.announce(rotated(l, g+1))
		}
	}
	var mu sync.Mutex
	last, busy, side := map[string]uint64{}, map[string]bool{}, 0
	done := make(chan struct{}, links*each)
	subscribe(t, w.service(nil), oldest, client.OnAny(func(_ context.Context, d client.Delivery) error {
		mu.Lock()
		if busy[d.Link] || d.Number != last[d.Link]+1 || d.Late {
			t.Errorf("link %s: event %d after %d, beside another: %v", d.Link, d.Number, last[d.Link], busy[d.Link])
		}
		busy[d.Link], last[d.Link] = true, d.Number
		side = max(side, len(busy))
		mu.Unlock()
		done <- struct{}{}
		mu.Lock()
		delete(busy, d.Link)
		mu.Unlock()
		return nil
	}))
	for range links * each {
		next(t, "an event", done)
	}
	if side < 2 {
		t.Log("links were never handled side by side")
	}
}

func rotated(link, generation int) events.TokenRotated {
	return events.TokenRotated{
		Address:    events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprint("S", link)},
		Generation: uint64(generation) + 1, PreviousGeneration: uint64(generation), Consent: 1,
		Cause: events.CauseRefresh, Comparison: events.ComparisonSame,
	}
}

// What failed comes again, behind later events of its link, and says so.
func TestWhatFailedComesAgainLate(t *testing.T) {
	w := cell(t)
	w.rotate(first, true)
	w.rotate(first, true)
	got := make(chan client.Delivery, 10)
	cfg := client.SubscribeConfig{FromSequence: 1, Backoff: func(int) time.Duration { return 50 * time.Millisecond }}
	subscribe(t, w.service(nil), cfg, client.OnAny(func(_ context.Context, d client.Delivery) error {
		got <- d
		if d.Number == 1 && d.Attempt == 1 {
			panic("the first attempt fails")
		}
		return nil
	}))
	one, two, again := next(t, "event 1", got), next(t, "event 2", got), next(t, "event 1 again", got)
	if one.Late || two.Late || two.Number != 2 || !again.Late || again.Attempt != 2 || again.Key != one.Key {
		t.Errorf("%d %v, %d %v, %d %v attempt %d", one.Number, one.Late, two.Number, two.Late, again.Number, again.Late, again.Attempt)
	}
}

func TestAnEventIsGivenUp(t *testing.T) {
	w := cell(t)
	cfg := client.SubscribeConfig{FromSequence: 1, MaxAttempts: 3, Backoff: func(int) time.Duration { return 0 }}
	calls := make(chan client.Delivery, 10)
	broken := errors.New("the handler is broken")
	failing := client.OnAny(func(_ context.Context, d client.Delivery) error {
		calls <- d
		if d.Number == 2 {
			return fmt.Errorf("%w: %w", client.ErrPermanent, broken)
		}
		return broken
	})
	c := w.service(nil)
	subscribe(t, c, cfg, failing)
	w.rotate(first, true)
	for i := range 3 {
		if d := next(t, "a call", calls); d.Attempt != i+1 {
			t.Errorf("attempt %d, want %d", d.Attempt, i+1)
		}
	}
	stream, err := w.bus.JetStream().Stream(t.Context(), "REGRANT_DEAD")
	must(t, err)
	var letter bus.DeadLetter
	waitFor(t, "the dead letter", func() bool {
		m, err := stream.GetLastMsgForSubject(t.Context(), "regrant.dead.out.default.op.L1.token-rotated")
		return err == nil && json.Unmarshal(m.Data, &letter) == nil
	})
	if letter.Reason != "handler_failed" || letter.Deliveries != 3 || letter.Worker != "sub-default-crm" || letter.Sequence != 1 {
		t.Errorf("letter %+v", letter)
	}

	gone := make(chan error, 10)
	cfg.Name, cfg.DeadLetter = "other", func(_ context.Context, d client.Delivery, cause error) error {
		if d.Number == 2 && d.Attempt == 1 { // no use trying again
			gone <- cause
		}
		return nil
	}
	w.rotate(first, true)
	subscribe(t, c, cfg, failing)
	if cause := next(t, "the callback", gone); !errors.Is(cause, broken) {
		t.Errorf("given up for %v", cause)
	}
}

// An event that is stored twice, under different message ids, is handled once.
func TestAnEventIsHandledOnceByItsKey(t *testing.T) {
	w := cell(t)
	e, err := events.NewOutput("//worker", 1, time.Now(), events.Trace{}, rotated(1, 1))
	must(t, err)
	m, err := events.Subjects{}.OutputMessage(e)
	must(t, err)
	for i := range 3 {
		m.Header[events.HeaderMsgID] = []string{fmt.Sprint("again-", i)}
		must(t, w.bus.PublishOutput(within(t), m))
	}
	w.announce(events.LinkRecovered{Address: first, Generation: 1, Consent: 1, From: "uncertain"})
	got := make(chan client.Delivery, 10)
	sub := subscribe(t, w.service(nil), oldest, into(got))
	waitFor(t, "all acknowledged", func() bool { return pending(w) == 0 })
	_ = sub.wait()
	if len(got) != 2 {
		t.Errorf("handled %d times, want each event once", len(got))
	}
}

func pending(w *workers) int {
	c, err := w.bus.JetStream().Consumer(w.t.Context(), "REGRANT_OUT", "sub-default-crm")
	if err != nil {
		return -1
	}
	info, err := c.Info(w.t.Context())
	if err != nil {
		return -1
	}
	return info.NumAckPending + int(info.NumPending)
}

func TestWhatCannotBeReadIsADeadLetter(t *testing.T) {
	w := cell(t)
	gone := make(chan error, 10)
	cfg := client.SubscribeConfig{FromSequence: 1, DeadLetter: func(_ context.Context, _ client.Delivery, cause error) error {
		gone <- cause
		return nil
	}}
	for subject, body := range map[string]string{
		"regrant.out.default.op.L1.token-rotated": "{}",
		"regrant.out.default.op.L1.not-yet-known": "{}", // passed over
	} {
		must(t, w.bus.PublishOutput(within(t), events.Message{Subject: subject, Data: []byte(body), Header: map[string][]string{}}))
	}
	got := make(chan client.Delivery, 1)
	subscribe(t, w.service(nil), cfg, into(got))
	if bad := (*events.Invalid)(nil); !errors.As(next(t, "the dead letter", gone), &bad) {
		t.Error("given up for no fault of the event")
	}
	w.rotate(first, true)
	if d := next(t, "the event after it", got); d.Name != events.NameTokenRotated || len(gone) != 0 {
		t.Errorf("handled %s", d.Name)
	}
}

func TestARemovedSubscriptionEnds(t *testing.T) {
	w := cell(t)
	c := w.service(nil)
	got := make(chan client.Delivery, 1)
	r := subscribe(t, c, oldest, into(got))
	w.rotate(first, true)
	next(t, "an event", got)
	must(t, c.Unsubscribe(within(t), "crm"))
	if err := next(t, "the end", r.ended); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("ended with %v", err)
	}
}

func TestSubscriptionsThatMakeNoSense(t *testing.T) {
	w := cell(t)
	c := w.service(nil)
	ok := client.OnAny(func(context.Context, client.Delivery) error { return nil })
	input := client.On(func(context.Context, client.Delivery, events.TokenExpired) error { return nil })
	for name, try := range map[string]func() error{
		"no name":     func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{}, ok) },
		"no handler":  func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{Name: "x"}) },
		"two":         func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{Name: "x"}, ok, ok) },
		"an input":    func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{Name: "x"}, input) },
		"a link only": func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{Name: "x", Link: "L1"}, ok) },
		"a wildcard":  func() error { return c.Subscribe(t.Context(), client.SubscribeConfig{Name: "x", Provider: ">"}, ok) },
	} {
		if try() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
