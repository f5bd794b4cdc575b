package bus_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
)

// teller takes entries, and counts what it gives up.
func teller(t testing.TB, b *bus.Bus, cfg bus.TellerConfig) (*bus.Teller, *atomic.Int64) {
	t.Helper()
	lost := new(atomic.Int64)
	cfg.Lost = func() { lost.Add(1) }
	tell, err := b.Teller(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tell.Stop(t.Context()) })
	return tell, lost
}

func TestWhatIsToldIsKeptOnce(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	tell, lost := teller(t, b, bus.TellerConfig{Patience: patience})
	for i := range 500 {
		tell.Tell(entry(fmt.Sprint(i)))
		tell.Tell(entry(fmt.Sprint(i / 2)))
	}
	tell.Stop(t.Context())
	if n := messages(t, b, b.Names().Audit()); n != 500 || lost.Load() != 0 {
		t.Errorf("%d entries kept, %d lost", n, lost.Load())
	}
}

// The entry is on its way before Tell returns: what is said next on the connection
// comes after it.
func TestAnEntryLeavesBeforeWhatIsSaidNext(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	heard := make(chan string, 2)
	conn := observer(t, s)
	if _, err := conn.Subscribe(">", func(m *nats.Msg) {
		if m.Subject == "answer" || strings.HasPrefix(m.Subject, "regrant.audit.") {
			heard <- m.Subject
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	tell, _ := teller(t, b, bus.TellerConfig{})
	tell.Tell(entry("A"))
	if err := b.Conn().Publish("answer", nil); err != nil {
		t.Fatal(err)
	}
	if first := next(t, "the entry", heard); first == "answer" {
		t.Error("the answer left first")
	}
}

// Without the stream nobody is held up and little is remembered; what finds no room is
// counted.
func TestWithoutAStreamEntriesAreCounted(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	if err := b.JetStream().DeleteStream(t.Context(), b.Names().Audit()); err != nil {
		t.Fatal(err)
	}
	const room, told = 10, 200
	tell, lost := teller(t, b, bus.TellerConfig{Room: room, Patience: 200 * time.Millisecond})
	for i := range told {
		tell.Tell(entry(fmt.Sprint(i)))
	}
	if n := lost.Load(); n < told-2*room-1 {
		t.Errorf("%d of %d lost at once, with room for %d", n, told, 2*room)
	}
	tell.Stop(t.Context())
	if n := lost.Load(); n != told {
		t.Errorf("%d lost in the end, want %d", n, told)
	}
}

// A server that comes back in time has missed nothing.
func TestEntriesOutliveTheirConnection(t *testing.T) {
	t.Parallel()
	b, s := cell(t)
	tell, lost := teller(t, b, bus.TellerConfig{Patience: patience})
	tell.Tell(entry("before"))
	s.stop()
	for i := range 20 {
		tell.Tell(entry(fmt.Sprint(i)))
	}
	s.start()
	tell.Stop(t.Context())
	if n := messages(t, b, b.Names().Audit()); n != 21 || lost.Load() != 0 {
		t.Errorf("%d entries kept, %d lost", n, lost.Load())
	}
}

func TestAnEntryThatSaysTooLittleIsCounted(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	tell, lost := teller(t, b, bus.TellerConfig{})
	tell.Tell(audit.Entry{Action: audit.TokenRead})
	if lost.Load() != 1 {
		t.Errorf("%d lost", lost.Load())
	}
}

// BenchmarkTell is what one entry costs whoever tells it: the server, which runs in this
// process too, is waited for off the clock.
func BenchmarkTell(bench *testing.B) {
	b, _ := cell(bench)
	tell, lost := teller(bench, b, bus.TellerConfig{Patience: patience})
	bench.ReportAllocs()
	for i := range bench.N {
		if i%100 == 0 {
			bench.StopTimer()
			tell.Settled(bench.Context())
			bench.StartTimer()
		}
		tell.Tell(entry(fmt.Sprint(i)))
	}
	bench.ReportMetric(float64(lost.Load()), "lost")
}
