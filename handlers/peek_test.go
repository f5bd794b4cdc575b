package handlers

import (
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

var peekedLink = events.Address{Tenant: "default", Provider: "op", Link: "01JQ8ZB0003F8Q7W5R2N6T9XKD"}

// peeking is a worker that knows one link in generation 2, which is being refreshed.
func peeking() Inputs {
	h := &Handlers{Config: Config{Metrics: NewMetrics(nil)}, known: newKnown(1000), flights: newFlights()}
	h.known.learn(peekedLink, fact{generation: 2, stored: 2, armed: 2})
	h.flights.take(peekedLink, &flight{generation: 2, reason: events.ReasonUnauthorized, sure: true, done: make(chan struct{})})
	return h.Inputs()
}

func peekedReport(generation string) *inbox.Message {
	return &inbox.Message{
		Subject: events.Subjects{}.In(peekedLink, events.NameTokenExpired), Delivered: 1,
		Header: map[string][]string{events.HeaderGeneration: {generation}, events.HeaderReason: {string(events.ReasonUnauthorized)}},
	}
}

// What a storm consists of. Anything else is decoded, by which it has lost.
var peeked = []struct {
	name    string
	report  *inbox.Message
	settled bool
}{
	{"stale", peekedReport("1"), true},
	{"collapsed", peekedReport("2"), true},
	{"unsettled", peekedReport("3"), false},
}

func TestALookAllocatesNothing(t *testing.T) {
	in := peeking()
	for _, c := range peeked {
		if v, settled := in.Peek(c.report); settled != c.settled || settled && v != inbox.Done() {
			t.Errorf("%s: %+v, settled %t", c.name, v, settled)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = in.Peek(c.report) }); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// BenchmarkPeek is the stale path, from the message to the verdict.
func BenchmarkPeek(b *testing.B) {
	in := peeking()
	for _, c := range peeked {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = in.Peek(c.report)
			}
		})
	}
}
