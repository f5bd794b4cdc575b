package handlers

import (
	"testing"

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

func perExpiry(t *testing.T, reg *prometheus.Registry) (count uint64, sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "regrant_presentations_per_expiry" {
			h := f.GetMetric()[0].GetHistogram()
			return h.GetSampleCount(), h.GetSampleSum()
		}
	}
	return 0, 0
}
