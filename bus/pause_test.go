package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

// flood stores so many inputs, faster than report does.
func flood(t testing.TB, b *bus.Bus, n int) {
	t.Helper()
	for range n {
		if err := b.Conn().Publish(b.Names().Subjects().In(link, events.NameTokenExpired), []byte(canary)); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Eventually(t, patience, "all stored", func() bool { return messages(t, b, b.Names().In()) == uint64(n) })
}

// deliveries is how many messages the server has handed out, repetitions included.
func deliveries(t testing.TB, b *bus.Bus) uint64 { return consumerInfo(t, b).Delivered.Consumer }

func TestAPausedConsumerTakesNothing(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	const reports = 1000
	var paused, handled atomic.Int64
	seen, all, gate := make(chan struct{}, reports), make(chan struct{}), make(chan struct{})
	c := consume(t, b, 16, handler{handle: func(context.Context, *inbox.Message) inbox.Verdict {
		if paused.Load() == 1 {
			t.Error("begun after Pause returned")
		}
		n := handled.Add(1)
		if n == reports {
			close(all)
		}
		if n > 50 {
			<-gate // so that most are left for after the pause, on any machine
		}
		select {
		case seen <- struct{}{}:
		default:
		}
		return inbox.Done()
	}})
	flood(t, b, reports)
	for range 50 {
		next(t, "a message", seen)
	}
	c.Pause()
	c.Pause()
	close(gate)
	done := handled.Load() // what was begun before may still be counted below
	testenv.Eventually(t, patience, "what was begun is over", func() bool {
		was := done
		done = handled.Load()
		return was == done
	})
	paused.Store(1)
	testenv.Eventually(t, patience, "the server has heard of the pause", func() bool { return consumerInfo(t, b).NumWaiting == 0 })
	before := deliveries(t, b)
	pulls := asked(t, s)
	report(t, b, "one more")
	if got := consumerInfo(t, b); got.Delivered.Consumer != before {
		t.Errorf("%d deliveries, then %d", before, got.Delivered.Consumer)
	}
	if n := len(pulls); n != 0 {
		t.Errorf("asked %d times while paused", n)
	}
	if handled.Load() != done {
		t.Errorf("%d handled, then %d", done, handled.Load())
	}
	paused.Store(0)
	c.Resume()
	next(t, "all of them", all)
}

// asked counts the requests for messages on the wire.
func asked(t testing.TB, s *server) <-chan string {
	t.Helper()
	conn := observer(t, s)
	out := make(chan string, 1<<10)
	if _, err := conn.Subscribe("$JS.API.CONSUMER.MSG.NEXT.>", func(m *nats.Msg) { out <- m.Subject }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Pausing while messages are on their way: each is settled, put back, or never
// given out. The budget is too long for a redelivery by time-out.
func TestPausesInAStormLoseNothing(t *testing.T) {
	t.Parallel()
	long := budget.Of(patience * 3 / 2)
	b := connect(t, bus.Config{URL: newServer(t).run.URL(), Budget: long})
	provision(t, b, long)
	const reports, rounds = 3000, 15
	var handled, running atomic.Int64
	seen, all := make(chan struct{}, reports), make(chan struct{})
	c := consume(t, b, 64, handler{handle: func(context.Context, *inbox.Message) inbox.Verdict {
		running.Add(1)
		defer running.Add(-1)
		seen <- struct{}{}
		if handled.Add(1) == reports {
			close(all)
		}
		return inbox.Done()
	}})
	flood(t, b, reports)
	for range rounds {
		for range 60 {
			next(t, "a message", seen)
		}
		c.Pause()
		c.Resume()
	}
	go func() {
		for range seen {
		}
	}()
	next(t, "all of them", all)
	close(seen)
}

// A request that stays open on the server would bring messages to nobody.
func TestAPauseWithdrawsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	b := longCell(t) // requests last longer than the test
	c := consume(t, b, 4, answering(inbox.Done()))
	testenv.Eventually(t, patience, "it asks", func() bool { return consumerInfo(t, b).NumWaiting > 0 })
	c.Pause()
	testenv.Eventually(t, patience, "nothing is asked for", func() bool { return consumerInfo(t, b).NumWaiting == 0 })
	report(t, b, "1")
	if n := deliveries(t, b); n != 0 {
		t.Fatalf("%d deliveries", n)
	}
	c.Resume()
	testenv.Eventually(t, patience, "it was settled", func() bool {
		info := consumerInfo(t, b)
		return info.Delivered.Consumer == 1 && info.NumAckPending == 0
	})
}

func TestWhatIsInWorkGoesOnWhilePaused(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	started, release := make(chan struct{}), make(chan struct{})
	c := consume(t, b, 1, handler{handle: func(ctx context.Context, _ *inbox.Message) inbox.Verdict {
		close(started)
		inbox.Waiting(ctx, func() { <-release }) // it must get its slot back, too
		return inbox.Done()
	}})
	report(t, b, "1")
	next(t, "the handler", started)
	wire := acks(t, s)
	c.Pause()
	for range 8 { // for longer than AckWait
		if got := next(t, "a heartbeat", wire); got != "+WPI" {
			t.Fatalf("on the wire: %s", got)
		}
	}
	close(release)
	if got := next(t, "the end", withoutHeartbeats(wire)); got != "+ACK" {
		t.Fatalf("on the wire: %s", got)
	}
}

// The message that was received and waits behind another's look is put back, and
// with a delay: a worker that is not paused yet must not get it in a loop.
func TestAPausePutsBackWhatIsNotBegun(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	for i := range 8 {
		report(t, b, fmt.Sprint(i))
	}
	looking, look := make(chan struct{}, 8), make(chan struct{})
	c := consume(t, b, 8, handler{
		peek: func(*inbox.Message) (inbox.Verdict, bool) {
			looking <- struct{}{}
			<-look
			return inbox.Verdict{}, false
		},
		handle: func(context.Context, *inbox.Message) inbox.Verdict {
			t.Error("begun after the pause")
			return inbox.Done()
		},
	})
	next(t, "the first look", looking)
	wire := acks(t, s)
	c.Pause()
	close(look)
	want := fmt.Sprintf(`-NAK {"delay": %d}`, short.LockTTL/10)
	if got := next(t, "an answer", withoutHeartbeats(wire)); got != want {
		t.Fatalf("on the wire: %s, want %s", got, want)
	}
	stop(t, c)
}

func TestOneTakesOneMessageWhilePaused(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	var handled atomic.Int64
	c := consume(t, b, 4, handler{
		peek: func(m *inbox.Message) (inbox.Verdict, bool) { return inbox.Done(), m.Sequence == 1 }, // not worth a probe
		handle: func(context.Context, *inbox.Message) inbox.Verdict {
			handled.Add(1)
			return inbox.Done()
		},
	})
	c.Pause()
	for i := range 20 {
		report(t, b, fmt.Sprint(i))
	}
	for want := range int64(3) {
		if ok, err := c.One(t.Context()); !ok || err != nil {
			t.Fatalf("one: %v, %v", ok, err)
		}
		if got := handled.Load(); got != want+1 {
			t.Fatalf("%d handled after %d", got, want+1)
		}
	}
	testenv.Eventually(t, patience, "17 left", func() bool {
		info := consumerInfo(t, b)
		return info.NumPending+uint64(info.NumAckPending) == 16
	})
	if got := handled.Load(); got != 3 || !c.Paused() {
		t.Fatalf("%d handled, paused %v", got, c.Paused())
	}
}

func TestOneWaitsForAMessageUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	c := consume(t, b, 1, answering(inbox.Done()))
	c.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan bool, 1)
	go func() {
		ok, err := c.One(ctx)
		over <- ok || err != nil
	}()
	testenv.Eventually(t, patience, "it asks", func() bool { return consumerInfo(t, b).NumWaiting > 0 })
	cancel()
	if next(t, "its end", over) {
		t.Fatal("it took a message that is not there")
	}
	go func() {
		ok, err := c.One(t.Context())
		over <- ok && err == nil
	}()
	report(t, b, "late")
	if !next(t, "its end", over) {
		t.Fatal("it did not take the message that came later")
	}
}

func TestOneEndsWithTheConsumer(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	c := consume(t, b, 1, answering(inbox.Done()))
	c.Pause()
	over := make(chan bool, 1)
	go func() {
		ok, _ := c.One(t.Context())
		over <- ok
	}()
	testenv.Eventually(t, patience, "it asks", func() bool { return consumerInfo(t, b).NumWaiting > 0 })
	stop(t, c)
	if next(t, "its end", over) {
		t.Fatal("it took a message that is not there")
	}
	if _, err := c.One(t.Context()); !errors.Is(err, bus.ErrStopped) {
		t.Fatalf("after the stop: %v", err)
	}
}
