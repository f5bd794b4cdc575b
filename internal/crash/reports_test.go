package crash_test

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers/providertest"
)

// TestTwoThousandReports: 100 links whose tokens may be presented once, 2,000
// reports, two workers.
func TestTwoThousandReports(t *testing.T) {
	t.Parallel()
	s := start(t)
	each(t, 2, []bool{true, false}, func(distinct bool) string {
		if distinct {
			return "every message its own"
		}
		return "as published"
	}, func(t *testing.T, distinct bool) {
		c := newCell(t, s, forbidden, 2*time.Second, 100)
		a, b := c.worker(), c.worker()
		for range 2 { // the second time there is nothing to do
			c.rage(storm{reporters: 20, each: 1, distinct: distinct})
			c.rest()
			if n := len(c.ledger().Presentations(providertest.Filter{})); n != 100 {
				t.Fatalf("%d presentations, want 100", n)
			}
			if n := c.events(events.NameTokenRotated); n != 100 {
				t.Fatalf("%d token-rotated stored, want 100", n)
			}
		}
		for _, l := range c.links {
			c.mustEnd(l, rotated(1))
		}
		c.promises()
		c.retire(a, b)
	})
}
