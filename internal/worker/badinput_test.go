package worker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
)

// badInput is what arrives, and the dead letter that it must become.
type badInput struct {
	tenant, link, name string // of the subject; left out: those of the good link's report
	body               string
	reason, field      string
}

// about is an event that speaks of a link, and its data beside the address.
func about(link, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"x","source":"//r","type":"dev.regrant.token-expired.v1","subject":%q,"data":{"tenant":"default","provider":"op","link":%[1]q%s}}`, link, data)
}

func badInputs(link string) []badInput {
	const good = `,"generation":1,"reason":"unauthorized"`
	return []badInput{
		{body: "", reason: events.FaultUndecodable, field: "body"},
		{body: "not JSON", reason: events.FaultUndecodable, field: "body"},
		{body: about(link, good)[:50], reason: events.FaultUndecodable, field: "body"},
		{body: about(link, good+`,"error":"`+strings.Repeat("x", events.MaxSize)+`"`), reason: events.FaultOversized, field: "body"},
		{body: about(link, `,"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)), reason: events.FaultTooDeep, field: "body"},
		{body: strings.Replace(about(link, good), `"id":"x",`, "", 1), reason: events.FaultMalformed, field: "id"},
		{body: strings.Replace(about(link, good), "token-expired", "token-rotated", 1), reason: events.FaultWrongType, field: "type"},
		{body: strings.Replace(about(link, good), "dev.regrant.", "dev.other.", 1), reason: events.FaultUnknownType, field: "type"},
		{body: about(link, `,"reason":"unauthorized"`), reason: events.FaultSchema, field: "data"},
		{body: about(link, `,"generation":1`), reason: events.FaultMissing, field: "data.reason"},
		{body: about(link, `,"generation":"1","reason":"unauthorized"`), reason: events.FaultSchema, field: "data.generation"},
		{body: about(link, `,"generation":1,"reason":"bored"`), reason: events.FaultSchema, field: "data.reason"},
		{body: about(link, good+`,"token":"t"`), reason: events.FaultUnknownField, field: "data"},
		{body: about("another", good), reason: events.FaultWrongSubject, field: "subject"},
		{body: strings.Replace(about(link, good), `"tenant":"default"`, `"tenant":"other"`, 1), reason: events.FaultWrongSubject, field: "data.tenant"},
		{tenant: "nobody", body: strings.Replace(about(link, good), `"tenant":"default"`, `"tenant":"nobody"`, 1), reason: "unknown_tenant", field: "tenant"},
		{link: "unknown", body: about("unknown", good), reason: "unknown_link", field: "link"},
		{body: about(link, `,"generation":7,"reason":"unauthorized"`), reason: "future_generation", field: "generation"},
		{name: "token-exploded", body: about(link, good)},
	}
}

// A bad input becomes a dead letter that names the reason and the field; nothing
// else is touched, and the queue goes on.
func TestBadInputsAreDeadLettersAndTheQueueGoesOn(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	made := imported(t, c, 2)
	bad := badInputs(made[0].Link)
	want := map[uint64]badInput{}
	for _, b := range bad {
		want[publishBad(t, c, made[0].Link, b)] = b
	}
	report(t, c, made[1])
	start(t, c, "a", nil)
	awaitGeneration(t, c, made[1].Address, 2)

	spec := bus.WatchSpec{Stream: c.Bus.Names().Dead(), Since: time.Unix(0, 0), Count: len(bad)}
	err := c.Bus.Watch(t.Context(), spec, func(m *inbox.Message) error {
		var l bus.DeadLetter
		if err := json.Unmarshal(m.Data, &l); err != nil {
			return err
		}
		b := want[l.Sequence]
		if b.reason != "" && (l.Reason != b.reason || l.Field != b.field) {
			t.Errorf("%.80s: dead letter says %s in %s, want %s in %s", b.body, l.Reason, l.Field, b.reason, b.field)
		}
		if l.Reason == "" || l.Field == "" || strings.Contains(string(m.Data), "specversion") {
			t.Errorf("dead letter %s: no reason, no field, or the payload", m.Data)
		}
		delete(want, l.Sequence)
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Fatalf("%d inputs are no dead letters: %v", len(want), err)
	}
	if l := link(t, c, made[0].Address); l.Generation != 1 || l.Refused || l.EventNumber != 1 {
		t.Errorf("bad inputs touched the link: generation %d, refused %t, %d events", l.Generation, l.Refused, l.EventNumber)
	}
	if n := presentations(t, c); n != 1 {
		t.Errorf("%d presentations, want 1", n)
	}
}

func publishBad(t *testing.T, c *fleet.Cell, link string, b badInput) uint64 {
	t.Helper()
	tenant, name := "default", "token-expired"
	for _, over := range []struct {
		with string
		what *string
	}{{b.tenant, &tenant}, {b.link, &link}, {b.name, &name}} {
		if over.with != "" {
			*over.what = over.with
		}
	}
	m := nats.NewMsg(fmt.Sprintf("regrant.in.%s.op.%s.%s", tenant, link, name))
	m.Header.Set(events.HeaderContentType, events.ContentType)
	m.Data = []byte(b.body)
	ack, err := c.Bus.JetStream().PublishMsg(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}
