package handlers

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// The number that must be 1 counts what one credential was presented, not what a
// chain of grants was, and not while its generation goes on.
func TestPresentationsAreCountedWhereTheirGenerationEnds(t *testing.T) {
	rt, key := links.Attempt{ID: "1"}, links.Attempt{ID: "3", Grant: links.GrantAPIKey}
	again := links.Attempt{ID: "2"}
	link := func(status links.Status, generation uint64, attempts ...links.Attempt) links.Link {
		return links.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: "L"}, Status: status, Generation: generation, Attempts: attempts}
	}
	for name, c := range map[string]struct {
		was, is links.Link
		count   uint64
		sum     float64
	}{
		"committed":       {link(links.Refreshing, 1, rt), link(links.Active, 2), 1, 1},
		"presented twice": {link(links.Refreshing, 1, rt, again), link(links.Active, 2), 1, 2},
		"next of a chain": {link(links.Refreshing, 1, rt, key), link(links.Active, 2), 1, 1},
		"given up":        {link(links.Refreshing, 1, rt), link(links.ConsentRequired, 1, rt), 1, 1},
		"given up before": {link(links.ConsentRequired, 1, rt), link(links.ConsentRequired, 1, rt), 0, 0},
		"goes on":         {link(links.Refreshing, 1, rt), link(links.Uncertain, 1, rt), 0, 0},
		"by a consent":    {link(links.Active, 1), link(links.Active, 2), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			NewMetrics(reg).ended(c.was, c.is)
			count, sum := perExpiry(t, reg)
			if count != c.count || sum != c.sum {
				t.Errorf("%d observations of %v together, want %d of %v", count, sum, c.count, c.sum)
			}
		})
	}
}

// What a reconciler takes up was stored at no time that one could count from.
func TestALatencyIsCountedFromAReport(t *testing.T) {
	reg := prometheus.NewRegistry()
	now := time.Now()
	h := &Handlers{Config: Config{Metrics: NewMetrics(reg), Clock: func() time.Time { return now }}}
	h.observeLatency(&job{storedAt: now.Add(-2 * time.Second)})
	h.observeLatency(&job{})
	if count, sum := histogram(t, reg, "regrant_report_to_rotated_seconds"); count != 1 || sum != 2 {
		t.Errorf("%d observations of %v s together, want one of 2", count, sum)
	}
}

func perExpiry(t *testing.T, reg *prometheus.Registry) (count uint64, sum float64) {
	t.Helper()
	return histogram(t, reg, "regrant_presentations_per_expiry")
}

func histogram(t *testing.T, reg *prometheus.Registry, name string) (count uint64, sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			h := f.GetMetric()[0].GetHistogram()
			return h.GetSampleCount(), h.GetSampleSum()
		}
	}
	return 0, 0
}
