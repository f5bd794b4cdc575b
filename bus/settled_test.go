package bus_test

import (
	"testing"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/inbox"
)

func TestSettledIsToldAfterTheAnswer(t *testing.T) {
	b, s := cell(t)
	wire := acks(t, s)
	told := make(chan inbox.Verdict, 1)
	c, err := b.Consume(t.Context(), bus.ConsumerSpec{
		Stream: b.Names().In(), Durable: b.Names().WorkerConsumer("op"), Slots: 1, Handler: answering(inbox.Done()),
		Settled: func(_ *inbox.Message, v inbox.Verdict) { told <- v },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, c)
	report(t, b, "1")
	if v := next(t, "the hook", told); v != inbox.Done() {
		t.Errorf("told %v", v)
	}
	if got := next(t, "an acknowledgement", wire); got != "+ACK" {
		t.Errorf("on the wire: %s", got)
	}
}
