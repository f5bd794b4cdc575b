package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
)

// BenchmarkTokenRead reads a bearer from a record on a server, in turns of a hundred with
// the audit and without it, and prints what the audit makes of the time of one.
func BenchmarkTokenRead(b *testing.B) {
	p, err := providers.Builtin("generic")
	must(b, err)
	c, err := fleet.New(b.Context(), fleet.Options{
		Dir: b.TempDir(), NATSURL: testenv.NATS(b), RedisURL: testenv.Redis(b), Providers: map[string]fleet.Provider{"op": {Profile: p}},
	})
	must(b, err)
	defer func() { must(b, c.Close(context.Background())) }()
	made, err := c.Import(b.Context(), "op", 1)
	must(b, err)
	l := made[0]
	teller, err := c.Bus.Teller(bus.TellerConfig{})
	must(b, err)
	defer teller.Stop(b.Context())
	with, without := reader(b, c, audit.NewRepeats(teller)), reader(b, c, nil)
	var took [2]time.Duration
	for b.Loop() {
		for i, h := range []*handlers.Handlers{with, without} {
			since := time.Now()
			for range 100 {
				if _, err := h.Token(b.Context(), l.Address, api.Token{}); err != nil {
					b.Fatal(err)
				}
			}
			took[i] += time.Since(since)
		}
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(100*b.N) }
	b.ReportMetric(each(took[0]), "µs/read-audited")
	b.ReportMetric(each(took[1]), "µs/read-unaudited")
	b.ReportMetric(float64(took[0])/float64(took[1]), "ratio")
}

// reader is as much of a worker as reads bearers.
func reader(b *testing.B, c *fleet.Cell, told audit.Teller) *handlers.Handlers {
	b.Helper()
	cfg := c.Config
	p, err := providers.New("op", cfg.Providers["op"], providers.Options{Budget: cfg.Budget(), BaseDir: cfg.Dir})
	must(b, err)
	b.Cleanup(p.Close)
	flows, err := kvstore.NewFlows(b.Context(), c.Bus.JetStream(), c.Bus.Names().Consents())
	must(b, err)
	var idle struct { // what reading does not use
		handlers.Spool
		handlers.Timers
		handlers.Outputs
		locks.Locker
	}
	h, err := handlers.New(handlers.Config{
		Worker: "w", Subjects: c.Bus.Names().Subjects(), Tenants: cfg.Tenants, Providers: map[string]handlers.Provider{"op": p},
		Store: c.Store, Index: c.Store, Flows: flows, Keys: c.Keys, Spool: &idle, Locker: &idle, Timers: &idle, Outputs: &idle,
		Budget: cfg.Budget(), Log: slog.New(slog.DiscardHandler), Audit: told,
	})
	must(b, err)
	return h
}
