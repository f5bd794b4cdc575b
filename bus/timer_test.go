package bus_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

func arm(t *testing.T, b *bus.Bus, number uint64, at time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.Arm(ctx, bus.Timer{Address: link, Number: number, At: at}); err != nil {
		t.Fatal(err)
	}
}

func armed(t *testing.T, b *bus.Bus) (uint64, bool) {
	t.Helper()
	number, ok, err := b.Armed(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	return number, ok
}

// fired delivers op's due events.
func fired(t *testing.T, b *bus.Bus) <-chan inbox.Message {
	t.Helper()
	out := make(chan inbox.Message, 10)
	c, err := b.Consume(t.Context(), bus.ConsumerSpec{
		Stream: b.Names().Timer(), Durable: b.Names().DueConsumer("op"), Slots: 1,
		Handler: handler{handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
			out <- *m
			return inbox.Done()
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-c.Done() })
	return out
}

func later() time.Time { return time.Now().Add(time.Hour) }

func TestATimerFiresOnceWithItsNumber(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	due := fired(t, b)
	arm(t, b, 7, time.Now().Add(-time.Hour)) // past due: at once
	m := next(t, "a due event", due)
	address, err := b.Names().Subjects().ParseDue(m.Subject)
	if err != nil || address != link || m.Header[bus.HeaderDue][0] != "7" {
		t.Fatalf("%s %v: %v", m.Subject, m.Header, err)
	}
	if number, ok := armed(t, b); ok {
		t.Fatalf("timer %d is still armed", number)
	}
	arm(t, b, 7, later()) // fired and armed again: as after a handler that only re-arms
	if number, ok := armed(t, b); !ok || number != 7 {
		t.Fatalf("armed %d, %v", number, ok)
	}
}

func TestAnOlderTimerNeverReplacesANewer(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	arm(t, b, 1, later())
	arm(t, b, 3, later())
	arm(t, b, 2, time.Now()) // excused
	if number, _ := armed(t, b); number != 3 {
		t.Fatalf("armed %d", number)
	}
	if n := messages(t, b, b.Names().Timer()); n != 1 {
		t.Fatalf("%d timers for one link", n)
	}
}

// The slow worker read before the faster one armed, and publishes after it. The
// gate stands between its two steps, on the wire: the header with the expected
// sequence is all that saves the newer timer.
func TestASlowWorkersOlderTimerIsRefused(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	arm(t, b, 1, later())
	var published *nats.Msg
	seen := make(chan struct{})
	watch := observer(t, s)
	sub, err := watch.Subscribe(b.Names().Subjects().Timer(link), func(m *nats.Msg) { published = m; close(seen) })
	if err != nil || watch.Flush() != nil {
		t.Fatal(err)
	}
	_ = sub.AutoUnsubscribe(1)
	arm(t, b, 2, later()) // what the slow worker is about to send: replaces number 1
	next(t, "the schedule on the wire", seen)
	arm(t, b, 9, later()) // the faster worker
	js, err := jetstream.New(watch)
	if err != nil {
		t.Fatal(err)
	}
	replay := &nats.Msg{Subject: published.Subject, Header: nats.Header{}, Data: published.Data}
	for key, values := range published.Header {
		replay.Header[key] = values
	}
	_, err = js.PublishMsg(t.Context(), replay)
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.ErrorCode != 10071 && refused.ErrorCode != 10164 {
		t.Fatalf("the late timer was not refused for its sequence: %v", err)
	}
	if number, _ := armed(t, b); number != 9 {
		t.Fatalf("armed %d", number)
	}
}

func TestManyWorkersArmOneLink(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	other := connect(t, bus.Config{URL: s.run.URL(), Name: "worker-2"})
	var all sync.WaitGroup
	for number := uint64(1); number <= 24; number++ {
		all.Go(func() {
			worker := b
			if number%2 == 0 {
				worker = other
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := worker.Arm(ctx, bus.Timer{Address: link, Number: number, At: later()}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if number, ok := armed(t, b); !ok || number != 24 {
		t.Fatalf("armed %d, %v", number, ok)
	}
}

func TestArmOverWhatWasRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *bus.Bus)
		number    uint64 // that is armed over what was read
		want      uint64
	}{
		"nobody else armed":    {func(*testing.T, *bus.Bus) {}, 4, 4},
		"a newer one armed":    {func(t *testing.T, b *bus.Bus) { arm(t, b, 9, later()) }, 4, 9},
		"an older one armed":   {func(t *testing.T, b *bus.Bus) { arm(t, b, 3, later()) }, 4, 4},
		"the same number read": {fire, 2, 2},
		"a higher number read": {fire, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := cell(t)
			arm(t, b, 2, later())
			seen, err := b.Foresee(t.Context(), link)
			if err != nil {
				t.Fatal(err)
			}
			c.meanwhile(t, b)
			if err := b.ArmOver(t.Context(), bus.Timer{Address: link, Number: c.number, At: later()}, seen); err != nil {
				t.Fatal(err)
			}
			if number, ok := armed(t, b); !ok || number != c.want {
				t.Fatalf("armed %d, %v; want %d", number, ok, c.want)
			}
			if n := messages(t, b, b.Names().Timer()); n != 1 {
				t.Fatalf("%d timers for one link", n)
			}
		})
	}
}

// fire takes the timer away, as the server does when it has fired.
func fire(t *testing.T, b *bus.Bus) {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), b.Names().Timer())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(b.Names().Subjects().Timer(link))); err != nil {
		t.Fatal(err)
	}
}

func TestTimersSurviveARestart(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	arm(t, b, 4, time.Now().Add(time.Second))
	s.stop()
	testenv.Eventually(t, patience, "unready", func() bool { return b.Ready() != nil })
	s.start()
	testenv.Eventually(t, patience, "ready again", func() bool { return b.Ready() == nil })
	m := next(t, "a due event", fired(t, b))
	if m.Header[bus.HeaderDue][0] != "4" {
		t.Fatalf("%v", m.Header)
	}
}

func TestArmWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	arm(t, b, 1, later())
	s.stop()
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { result <- b.Arm(ctx, bus.Timer{Address: link, Number: 2, At: later()}) }()
	gone, cancelGone := context.WithCancel(t.Context())
	cancelGone()
	if err := b.Arm(gone, bus.Timer{Address: link, Number: 3, At: later()}); !errors.Is(err, bus.ErrUnconfirmed) {
		t.Fatalf("without a server: %v", err)
	}
	s.start()
	if err := next(t, "the result", result); err != nil {
		t.Fatal(err)
	}
	if number, _ := armed(t, b); number != 2 {
		t.Fatalf("armed %d", number)
	}
}

// A first try that was stored and whose confirmation was lost must be recognised
// by reading back, not be fought by its own repetition.
func TestArmRecognisesItsOwnStoredTry(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	arm(t, b, 5, later())
	before := messages(t, b, b.Names().Timer())
	arm(t, b, 5, later())
	if after := messages(t, b, b.Names().Timer()); after != before {
		t.Fatalf("%d timers, then %d", before, after)
	}
}

func TestTimersOfOtherLinksDoNotDisturb(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	for i := range 3 {
		a := events.Address{Tenant: "default", Provider: "op", Link: "L" + strconv.Itoa(i)}
		if err := b.Arm(t.Context(), bus.Timer{Address: a, Number: uint64(i), At: later()}); err != nil {
			t.Fatal(err)
		}
	}
	if number, ok := armed(t, b); !ok || number != 1 {
		t.Fatalf("armed %d, %v", number, ok)
	}
}
