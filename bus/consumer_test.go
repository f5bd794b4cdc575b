package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

func TestVerdictsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict inbox.Verdict
		want    string
	}{
		"done":          {inbox.Done(), "+ACK"},
		"later":         {inbox.Later(short.Recovery), fmt.Sprintf(`-NAK {"delay": %d}`, short.Recovery)},
		"forgotten":     {inbox.Verdict{}, fmt.Sprintf(`-NAK {"delay": %d}`, short.AckWait)},
		"dead":          {inbox.Dead("schema", "data.status"), "+TERM schema"},
		"negative wait": {inbox.Later(-1), fmt.Sprintf(`-NAK {"delay": %d}`, short.AckWait)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := cell(t)
			wire := acks(t, s)
			consume(t, b, 1, answering(c.verdict))
			report(t, b, "1")
			got := next(t, "an acknowledgement", withoutHeartbeats(wire))
			for c.verdict.Kind == inbox.KindDead && strings.HasPrefix(got, "-NAK") {
				// A busy machine may miss the short time in which the letter is to be stored.
				got = next(t, "an acknowledgement", withoutHeartbeats(wire))
			}
			if got != c.want {
				t.Fatalf("on the wire: %s, want %s", got, c.want)
			}
		})
	}
}

func withoutHeartbeats(wire <-chan string) <-chan string {
	out := make(chan string, 1)
	for {
		select {
		case body := <-wire:
			if body != "+WPI" {
				out <- body
				return out
			}
		case <-testTimeout():
			return out
		}
	}
}

func TestMessageTellsWhereItStands(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	got := make(chan inbox.Message, 2)
	consume(t, b, 1, handler{handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
		got <- *m
		if m.Delivered == 1 {
			return inbox.Later(1)
		}
		return inbox.Done()
	}})
	report(t, b, "1")
	first, second := next(t, "first delivery", got), next(t, "second delivery", got)
	if first.Stream != "REGRANT_IN" || first.Sequence != 1 || first.StoredAt.IsZero() || string(first.Data) != canary ||
		first.Header["Nats-Msg-Id"][0] != "1" || first.Delivered != 1 || second.Delivered != 2 {
		t.Fatalf("delivered %+v, then %+v", first, second)
	}
}

func TestPeekSettlesWithoutHandle(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	wire := acks(t, s)
	consume(t, b, 4, handler{
		peek:   func(m *inbox.Message) (inbox.Verdict, bool) { return inbox.Done(), true },
		handle: func(context.Context, *inbox.Message) inbox.Verdict { t.Error("handled"); return inbox.Done() },
	})
	for i := range 20 {
		report(t, b, fmt.Sprint(i))
	}
	for range 20 {
		if got := next(t, "an acknowledgement", wire); got != "+ACK" {
			t.Fatalf("on the wire: %s", got)
		}
	}
}

func TestHeartbeatsKeepALongHandlersMessage(t *testing.T) {
	t.Parallel()
	s, slow := newServer(t), budget.Of(budget.Default/10)
	b := connect(t, bus.Config{URL: s.run.URL(), Budget: slow})
	provision(t, b, slow)
	wire := acks(t, s)
	release, deliveries := make(chan struct{}), atomic.Int32{}
	consume(t, b, 2, handler{handle: func(context.Context, *inbox.Message) inbox.Verdict {
		deliveries.Add(1)
		<-release
		return inbox.Done()
	}})
	report(t, b, "1")
	for range 6 { // more than AckWait
		if got := next(t, "a heartbeat", wire); got != "+WPI" {
			t.Fatalf("on the wire: %s", got)
		}
	}
	close(release)
	if got := next(t, "the end", withoutHeartbeats(wire)); got != "+ACK" || deliveries.Load() != 1 {
		t.Fatalf("on the wire: %s after %d deliveries", got, deliveries.Load())
	}
}

func TestPanicRedeliversAndLogsNoPayload(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	log, read := recorder()
	b := connect(t, bus.Config{URL: s.run.URL(), Log: log})
	provision(t, b, short)
	done := make(chan struct{})
	consume(t, b, 1, handler{
		peek: func(m *inbox.Message) (inbox.Verdict, bool) {
			if m.Delivered == 1 {
				panic(string(m.Data))
			}
			return inbox.Verdict{}, false
		},
		handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
			if m.Delivered == 2 {
				panic(errors.New(string(m.Data)))
			}
			close(done)
			return inbox.Done()
		},
	})
	report(t, b, "1")
	next(t, "a third delivery", done)
	if text := read(); strings.Contains(text, canary) || strings.Count(text, "handler panicked") != 2 {
		t.Fatalf("log: %s", text)
	}
}

func TestSlotsAreNeverExceeded(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	const slots, reports = 3, 40
	for i := range reports {
		report(t, b, fmt.Sprint(i))
	}
	var busy, most atomic.Int32
	var all sync.WaitGroup
	all.Add(reports)
	enough := make(chan struct{}, reports)
	consume(t, b, slots, handler{handle: func(context.Context, *inbox.Message) inbox.Verdict {
		defer all.Done()
		defer busy.Add(-1)
		if n := busy.Add(1); n > most.Load() {
			most.Store(n)
		}
		enough <- struct{}{}
		return inbox.Done()
	}})
	for range reports {
		next(t, "a message handled", enough)
	}
	all.Wait()
	if most.Load() > slots {
		t.Fatalf("%d handlers at once in %d slots", most.Load(), slots)
	}
}

func TestNothingIsPrefetchedForBusySlots(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	started, release := make(chan struct{}), make(chan struct{})
	consume(t, b, 2, handler{handle: func(context.Context, *inbox.Message) inbox.Verdict {
		started <- struct{}{}
		<-release
		return inbox.Done()
	}})
	for i := range 10 {
		report(t, b, fmt.Sprint(i))
	}
	next(t, "a handler", started)
	next(t, "a handler", started)
	// The server counts what is left a moment after it stored it.
	testenv.Eventually(t, patience, "8 left", func() bool { return consumerInfo(t, b).NumPending == 8 })
	if given := consumerInfo(t, b).NumAckPending; given != 2 {
		t.Fatalf("%d given out to 2 slots", given)
	}
	close(release)
	for range 8 {
		next(t, "a handler", started)
	}
}

func TestWaitingGivesTheSlotToOthers(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	var running atomic.Int32
	opened, done := make(chan struct{}), make(chan uint64, 2)
	consume(t, b, 1, handler{handle: func(ctx context.Context, m *inbox.Message) inbox.Verdict {
		if m.Sequence == 1 {
			inbox.Waiting(ctx, func() { <-opened })
		}
		if running.Add(1) != 1 {
			t.Error("two handlers in one slot")
		}
		if m.Sequence == 2 {
			close(opened)
			// Sequence 1 wants its slot back now, and gets it when this returns.
		}
		running.Add(-1)
		done <- m.Sequence
		return inbox.Done()
	}})
	report(t, b, "1")
	report(t, b, "2")
	if first, second := next(t, "one", done), next(t, "another", done); first != 2 || second != 1 {
		t.Fatalf("ended in the order %d, %d", first, second)
	}
}

func TestStopWaitsForHandlersWhoseContextGoesOn(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	started, release := make(chan struct{}), make(chan struct{})
	c := consume(t, b, 1, handler{handle: func(ctx context.Context, _ *inbox.Message) inbox.Verdict {
		close(started)
		<-release
		if ctx.Err() != nil {
			t.Error("the stop ended the handler's context")
		}
		return inbox.Done()
	}})
	report(t, b, "1")
	next(t, "the handler", started)
	wire := acks(t, s)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(context.Background()) }()
	for range 8 { // heartbeats go on for longer than AckWait
		if got := next(t, "a heartbeat", wire); got != "+WPI" {
			t.Fatalf("on the wire: %s", got)
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped before its handler: %v", err)
	default:
	}
	close(release)
	if err := next(t, "the stop", stopped); err != nil {
		t.Fatal(err)
	}
	stop(t, c) // again
}

func TestStopThatWaitedInVainEndsTheHandlersContext(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	started := make(chan struct{})
	c := consume(t, b, 1, handler{handle: func(ctx context.Context, _ *inbox.Message) inbox.Verdict {
		close(started)
		<-ctx.Done()
		return inbox.Later(1)
	}})
	report(t, b, "1")
	next(t, "the handler", started)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Stop(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 messages still in work") {
		t.Fatalf("stop: %v", err)
	}
	next(t, "the end", c.Done())
}

// longCell has a budget so long that no test sees a redelivery by time-out: what
// is not put back stays away for good.
func longCell(t *testing.T) *bus.Bus {
	long := budget.Of(5 * patience)
	b := connect(t, bus.Config{URL: newServer(t).run.URL(), Budget: long})
	provision(t, b, long)
	return b
}

// settleTheRest takes everything that is left, and fails if something is withheld.
func settleTheRest(t *testing.T, b *bus.Bus) {
	t.Helper()
	consume(t, b, 64, answering(inbox.Done()))
	testenv.Eventually(t, patience, "every message settled", func() bool {
		info := consumerInfo(t, b)
		return info.NumPending == 0 && info.NumAckPending == 0
	})
}

func TestStopPutsBackWhatIsNotStarted(t *testing.T) {
	t.Parallel()
	b := longCell(t)
	const slots = 64
	for i := range slots {
		report(t, b, fmt.Sprint(i))
	}
	looking, look := make(chan struct{}, slots), make(chan struct{})
	c := consume(t, b, slots, handler{
		peek: func(*inbox.Message) (inbox.Verdict, bool) {
			looking <- struct{}{}
			<-look // the rest of the batch waits behind this one
			return inbox.Verdict{}, false
		},
		handle: func(context.Context, *inbox.Message) inbox.Verdict {
			t.Error("started after the stop")
			return inbox.Done()
		},
	})
	next(t, "the first look", looking)
	testenv.Eventually(t, patience, "all given out", func() bool { return consumerInfo(t, b).NumAckPending == slots })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Stop(gone) // has told it to stop, and did not wait
	close(look)
	stop(t, c)
	settleTheRest(t, b)
}

// Stopping while messages are on their way: each is settled, put back, or never
// given out.
func TestStopInAStormLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := longCell(t)
	const reports, rounds = 3000, 15
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		for range reports {
			_ = b.Conn().Publish(b.Names().Subjects().In(link, events.NameTokenExpired), []byte(canary))
		}
	}()
	for range rounds {
		var seen atomic.Int32
		enough := make(chan struct{})
		c := consume(t, b, 64, handler{peek: func(*inbox.Message) (inbox.Verdict, bool) {
			if seen.Add(1) == 100 {
				close(enough)
			}
			return inbox.Done(), true
		}})
		next(t, "a hundred", enough)
		stop(t, c)
	}
	<-flood
	settleTheRest(t, b)
}

func TestRedeliveryWhenAWorkerDies(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	doomed := connect(t, bus.Config{URL: s.run.URL(), Name: "doomed"})
	started := make(chan struct{})
	consume(t, doomed, 1, handler{handle: func(ctx context.Context, _ *inbox.Message) inbox.Verdict {
		close(started)
		<-ctx.Done()
		return inbox.Done()
	}})
	report(t, b, "1")
	next(t, "the doomed handler", started)
	doomed.Conn().Close() // no word to the server, as with a process that dies
	again := make(chan uint64, 1)
	consume(t, b, 1, handler{handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
		again <- m.Delivered
		return inbox.Done()
	}})
	if n := next(t, "a redelivery", again); n < 2 {
		t.Fatalf("delivery %d", n)
	}
}

func TestServerRestartWhileConsuming(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	handled := make(chan string, 10)
	consume(t, b, 4, handler{handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
		handled <- m.Header["Nats-Msg-Id"][0]
		return inbox.Done()
	}})
	report(t, b, "before")
	if got := next(t, "the first", handled); got != "before" {
		t.Fatal(got)
	}
	s.stop()
	testenv.Eventually(t, patience, "unready without a server", func() bool { return b.Ready() != nil })
	s.start()
	report(t, b, "after")
	for next(t, "the second", handled) != "after" { // the first's acknowledgement may have been lost
	}
	testenv.Eventually(t, patience, "ready again", func() bool { return b.Ready() == nil })
}

func TestAMissingConsumerIsNamed(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	_, err := b.Consume(t.Context(), bus.ConsumerSpec{Stream: b.Names().In(), Durable: "worker-nobody", Slots: 1, Handler: answering(inbox.Done())})
	if !errors.Is(err, bus.ErrNotProvisioned) || !strings.Contains(err.Error(), "worker-nobody") {
		t.Fatalf("error %v", err)
	}
}

func TestAConsumerDeletedUnderUsMakesUsUnreadyUntilItIsBack(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	consume(t, b, 2, answering(inbox.Done()))
	if err := b.JetStream().DeleteConsumer(t.Context(), b.Names().In(), b.Names().WorkerConsumer("op")); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "unready", func() bool { return b.Ready() != nil })
	provision(t, b, short)
	testenv.Eventually(t, patience, "ready again", func() bool { return b.Ready() == nil })
}
