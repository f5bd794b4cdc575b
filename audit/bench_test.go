package audit_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

func BenchmarkEncode(b *testing.B) {
	e := audit.Entry{ID: "A", At: time.Unix(1, 0), Actor: "worker:w", Action: audit.TokenRead, Fingerprint: "f", Generation: 3, Outcome: "served"}
	e = e.About(events.Address{Tenant: "default", Provider: "op", Link: "L"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
