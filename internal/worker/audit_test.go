package worker_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
)

// entries counts what the audit holds of an action.
func entries(t *testing.T, c *fleet.Cell, action audit.Action) uint64 {
	t.Helper()
	h, err := c.Bus.History(t.Context(), bus.WatchSpec{Stream: c.Bus.Names().Audit(), Subject: c.Bus.Names().Subjects().AuditOf(string(action)), Stored: true})
	must(t, err)
	return h.Count
}

// A bearer is served though nobody can be told of it, and at once; what is lost is counted.
func TestABearerIsReadWhileTheAuditIsDown(t *testing.T) {
	c, registry := newCell(t, testenv.NATS(t)), prometheus.NewRegistry()
	w := start(t, c, "w1", func(o *worker.Options) { o.Registry = registry })
	l := imported(t, c, 1)[0]
	must(t, c.Bus.JetStream().DeleteStream(t.Context(), c.Bus.Names().Audit()))
	for range 3 {
		if _, err := bearer(t, c, l.Address, api.Token{}); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Eventually(t, limit, "three entries are lost", func() bool { return lost(t, registry) == 3 })
	_, err := c.Bus.Provision(t.Context(), worker.Plan(c.Config))
	must(t, err)
	if _, err := bearer(t, c, l.Address, api.Token{}); err != nil {
		t.Fatal(err)
	}
	closeWithin(t, w.Stop)
	if n := entries(t, c, audit.TokenRead); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func lost(t *testing.T, registry *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == "regrant_audit_lost_total" {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// A service that asks again and again for what it is refused fills no audit.
func TestRefusalsThatRepeatAreOneEntry(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	w := start(t, c, "w1", nil)
	none := events.Address{Tenant: "default", Provider: "op", Link: "none"}
	for range 100 {
		_, err := bearer(t, c, none, api.Token{})
		wantCode(t, err, api.NotFound)
	}
	closeWithin(t, w.Stop)
	if n := entries(t, c, audit.TokenRead); n == 0 || n > 20 {
		t.Errorf("%d entries for 100 refusals", n) // two a minute, however slow this machine is
	}
}
