package bus_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

func entry(id string) audit.Entry {
	e := audit.Entry{ID: id, At: time.Unix(1, 0).UTC(), Actor: "operator:ann@desk", Action: audit.RevokeAsked, Cause: "run-1", Outcome: "begun"}
	return e.About(events.Address{Tenant: "default", Provider: "op", Link: "L"})
}

// An entry is kept once, however often its writer had to repeat it, and is found by what
// was done and to whom.
func TestAnEntryIsKeptOnceAndReadBack(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	for range 3 {
		if err := b.Append(t.Context(), entry("A")); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := b.JetStream().Stream(t.Context(), b.Names().Audit())
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 1 {
		t.Fatalf("%d entries", n)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "regrant.audit.revoke-asked.default.op.L")
	if err != nil {
		t.Fatal(err)
	}
	var got audit.Entry
	if err := json.Unmarshal(msg.Data, &got); err != nil || got.ID != "A" || !got.At.Equal(time.Unix(1, 0)) || got.Link != "L" {
		t.Fatalf("%+v %v", got, err)
	}
}

// What was written stays: not even who may do anything else to the stream deletes an entry.
func TestAnEntryIsNotDeleted(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	if err := b.Append(t.Context(), entry("A")); err != nil {
		t.Fatal(err)
	}
	stream, err := b.JetStream().Stream(t.Context(), b.Names().Audit())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("an entry was deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the audit was purged")
	}
	lax := stream.CachedInfo().Config
	lax.DenyDelete, lax.DenyPurge = false, false
	if _, err := b.JetStream().UpdateStream(t.Context(), lax); err == nil {
		t.Error("the audit takes deletions again")
	}
}

// An entry that does not say who, when and what is not written.
func TestAnEntrySaysWhoWhenAndWhat(t *testing.T) {
	t.Parallel()
	b, _ := cell(t)
	for name, spoil := range map[string]func(*audit.Entry){
		"no id":         func(e *audit.Entry) { e.ID = "" },
		"no time":       func(e *audit.Entry) { e.At = time.Time{} },
		"no actor":      func(e *audit.Entry) { e.Actor = "" },
		"no action":     func(e *audit.Entry) { e.Action = "" },
		"wild action":   func(e *audit.Entry) { e.Action = "a.*" },
		"wild link":     func(e *audit.Entry) { e.Link = ">" },
		"wild provider": func(e *audit.Entry) { e.Provider = "*" },
	} {
		e := entry("A")
		spoil(&e)
		if err := b.Append(t.Context(), e); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
