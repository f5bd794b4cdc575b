package bus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

// Whoever may ask must not have the worker write for them, where they may not: NATS
// asks nobody for permission to name a reply subject.
func TestAnAnswerIsNoRecordAndNoInput(t *testing.T) {
	s := newServer(t)
	asked := 0
	serve(t, s, 1, func(context.Context, string, []byte) ([]byte, error) { // one after the other
		asked++
		return []byte(`{"links":[]}`), nil
	})
	conn := observer(t, s)
	misled, err := conn.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"$KV.regrant_links.default.op.L1", "$JS.API.STREAM.DELETE.REGRANT_IN", "regrant.in.default.op.L1.token-expired"} {
		if err := conn.PublishRequest("regrant.api.default.list", reply, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.RequestWithContext(within(t), "regrant.api.default.list", []byte("{}")); err != nil || asked != 1 {
		t.Errorf("%d requests were answered (%v), want the one that names an inbox", asked, err)
	}
	for {
		m, err := misled.NextMsg(short.Heartbeat)
		if errors.Is(err, nats.ErrTimeout) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject[0] == '$' || m.Subject == "regrant.in.default.op.L1.token-expired" {
			t.Errorf("a worker wrote to %s", m.Subject)
		}
	}
}
