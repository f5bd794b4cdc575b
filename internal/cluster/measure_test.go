package cluster_test

import (
	"slices"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/providers/providertest"
)

// presentedOnce: as many presentations as tokens that ended, each of another token,
// and no grant was ended for a second one.
func (c *cell) presentedOnce() {
	c.t.Helper()
	ledger, err := c.Sim.Ledger()
	c.must(err)
	if n := len(ledger.Presentations(providertest.Filter{})); n != len(c.links) {
		c.t.Errorf("%d presentations, %d tokens ended", n, len(c.links))
	}
	if key, n := ledger.MaxPerToken(); n != 1 {
		c.t.Errorf("token %d of %s was presented %d times", key.Serial, key.Family, n)
	}
	if n := c.Sim.Revoked(); n != 0 {
		c.t.Errorf("the provider ended %d grants", n)
	}
}

// announcedOnce: one token-rotated of each link is stored, nothing else but its
// creation, and no report was given up.
func (c *cell) announcedOnce() {
	c.t.Helper()
	times := map[events.Address]int{}
	c.outputs(func(a events.Address, name events.Name, _ *inbox.Message) {
		switch name {
		case events.NameTokenRotated:
			times[a]++
		case events.NameLinkCreated:
		default:
			c.t.Errorf("%s of %s was announced", name, a)
		}
	})
	for _, l := range c.links {
		if times[l.Address] != 1 {
			c.t.Errorf("%d rotations of %s were announced, want 1", times[l.Address], l.Link)
		}
	}
	dead, err := c.info(c.Bus.Names().Dead())
	c.must(err)
	if n := dead.State.Msgs; n != 0 {
		c.t.Errorf("%d dead letters", n)
	}
}

func (c *cell) outputs(see func(events.Address, events.Name, *inbox.Message)) {
	c.t.Helper()
	c.must(c.Bus.Watch(c.ctx, bus.WatchSpec{Stored: true}, func(m *inbox.Message) error {
		a, name, err := c.Bus.Names().Subjects().ParseOut(m.Subject)
		if err == nil {
			see(a, name, m)
		}
		return err
	}))
}

// figures logs how long the links took from their first report to the stored
// token-rotated, and the longest time in which none was stored though some were due.
func (c *cell) figures(first map[events.Address]time.Time, killed []time.Time, parts map[string][]fleet.Link) {
	c.t.Helper()
	stored := map[events.Address]time.Time{}
	var all []time.Time
	c.outputs(func(a events.Address, name events.Name, m *inbox.Message) {
		if name == events.NameTokenRotated {
			stored[a], all = m.StoredAt, append(all, m.StoredAt)
		}
	})
	slices.SortFunc(all, time.Time.Compare)
	for i, at := range killed {
		c.t.Logf("round %d: longest time without a rotation %s", i+1, longestGap(all, at).Round(time.Millisecond))
	}
	for _, name := range []string{"before", "during", "after"} {
		if len(parts[name]) == 0 {
			continue
		}
		var took []time.Duration
		for _, l := range parts[name] {
			took = append(took, stored[l.Address].Sub(first[l.Address]))
		}
		slices.Sort(took)
		c.t.Logf("%-6s %4d links: report to token-rotated p50 %s, p99 %s, longest %s", name, len(took),
			quantile(took, 50), quantile(took, 99), took[len(took)-1].Round(time.Millisecond))
	}
}

// longestGap is the longest time between two rotations in the half minute from at.
func longestGap(sorted []time.Time, at time.Time) (longest time.Duration) {
	last := at
	for _, s := range sorted {
		if s.Before(at) || s.Sub(at) > 30*time.Second {
			continue
		}
		longest, last = max(longest, s.Sub(last)), s
	}
	return longest
}

func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100].Round(100 * time.Microsecond)
}
