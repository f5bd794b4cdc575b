package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/testenv"
)

func lastDead(t *testing.T, b *bus.Bus) (*jetstream.RawStreamMsg, bus.DeadLetter) {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), b.Names().Dead())
	if err != nil {
		t.Fatal(err)
	}
	subject := "regrant.dead.in.default.op.L1.token-expired"
	msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	var letter bus.DeadLetter
	if err := json.Unmarshal(msg.Data, &letter); err != nil {
		t.Fatal(err)
	}
	return msg, letter
}

func TestDeadLetterRefersAndHoldsNoPayload(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	wire := acks(t, s)
	consume(t, b, 1, answering(inbox.Dead("schema", "data.status")))
	report(t, b, "1")
	for !strings.HasPrefix(next(t, "the end", wire), "+TERM") {
	}
	msg, letter := lastDead(t, b)
	if strings.Contains(string(msg.Data)+fmt.Sprint(msg.Header), canary) {
		t.Fatalf("the payload is in the dead letter: %s %v", msg.Data, msg.Header)
	}
	if letter.First.IsZero() || letter.Last.Before(letter.First.Add(-time.Minute)) || letter.Deliveries == 0 {
		t.Errorf("times and count: %+v", letter)
	}
	letter.First, letter.Last, letter.Deliveries = time.Time{}, time.Time{}, 0
	want := bus.DeadLetter{
		Stream: "REGRANT_IN", Sequence: 1, Subject: "regrant.in.default.op.L1.token-expired",
		Reason: "schema", Field: "data.status", Worker: "worker-1",
	}
	if letter != want {
		t.Fatalf("letter %+v", letter)
	}
}

// Peek may give up too. Its letters take the same way, off the pulling goroutine.
func TestPeekMayBury(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	wire := acks(t, s)
	consume(t, b, 1, handler{peek: func(*inbox.Message) (inbox.Verdict, bool) { return inbox.Dead("unknown_type", "subject"), true }})
	report(t, b, "1")
	for next(t, "the end", wire) != "+TERM unknown_type" {
	}
	if _, letter := lastDead(t, b); letter.Reason != "unknown_type" {
		t.Fatalf("letter %+v", letter)
	}
}

// The message ends only after its letter is stored: without the stream of dead
// letters it stays, and once that is back, it goes, with one letter.
func TestWithoutADeadLetterTheMessageStays(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	if err := b.JetStream().DeleteStream(t.Context(), b.Names().Dead()); err != nil {
		t.Fatal(err)
	}
	wire := acks(t, s)
	consume(t, b, 1, answering(inbox.Dead("schema", "data")))
	report(t, b, "1")
	if got := next(t, "an acknowledgement", withoutHeartbeats(wire)); !strings.HasPrefix(got, "-NAK") {
		t.Fatalf("on the wire: %s", got)
	}
	provision(t, b, short)
	for next(t, "the end", wire) != "+TERM schema" {
	}
	if n := messages(t, b, b.Names().Dead()); n != 1 {
		t.Fatalf("%d dead letters", n)
	}
	testenv.Eventually(t, patience, "nothing pending", func() bool { return consumerInfo(t, b).NumAckPending == 0 })
}

func TestPoisonTakesManyDeliveriesAndAge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age    time.Duration
		poison bool
	}{"old": {2 * time.Hour, true}, "young": {50 * time.Minute, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			b := connect(t, bus.Config{URL: s.run.URL(), Now: func() time.Time { return time.Now().Add(c.age) }})
			provision(t, b, short)
			wire, last := acks(t, s), make(chan uint64, 100)
			consume(t, b, 1, handler{handle: func(_ context.Context, m *inbox.Message) inbox.Verdict {
				last <- m.Delivered
				if m.Delivered == 60 {
					return inbox.Done()
				}
				return inbox.Later(1)
			}})
			report(t, b, "1")
			end := "-NAK"
			for strings.HasPrefix(end, "-NAK") || end == "+WPI" {
				end = next(t, "an acknowledgement", wire)
			}
			if got := end == "+TERM poison"; got != c.poison {
				t.Fatalf("ended with %s", end)
			}
			if c.poison && len(last) != 49 {
				t.Fatalf("handled %d times, want 49: poison is told before the 50th", len(last))
			}
		})
	}
}

func TestDueEventsAndGarbageCanBeBuried(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	wire := acks(t, s)
	conn := observer(t, s)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "regrant.in.default.op.no.such.subject", []byte(canary)); err != nil {
		t.Fatal(err)
	}
	consume(t, b, 1, answering(inbox.Dead("malformed", "subject")))
	for next(t, "the end", wire) != "+TERM malformed" {
	}
	number := 0
	err = b.Watch(t.Context(), bus.WatchSpec{Stream: b.Names().Dead(), Stored: true}, func(m *inbox.Message) error {
		number++
		if m.Subject != "regrant.dead.in.default.op.no.such.subject" || m.Header[events.HeaderReason][0] != "malformed" {
			t.Errorf("%s %v", m.Subject, m.Header)
		}
		return nil
	})
	if err != nil || number != 1 {
		t.Fatalf("%d letters, %v", number, err)
	}
}
