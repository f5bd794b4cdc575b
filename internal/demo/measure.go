package demo

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/providers/providertest"
)

// measure reads what is stored, once nothing moves any more: the simulator's
// ledger, the output stream, the records and what is left over.
func (r *reporters) measure(ctx context.Context, o Options, out *Report) error {
	ledger, err := r.stage.cell.Sim.Ledger()
	if err != nil {
		return err
	}
	delays, err := r.rotations(ctx)
	if err != nil {
		return err
	}
	for _, p := range o.Providers {
		f := Figures{Provider: p, Revoked: r.stage.cell.Sim.Revoked(p), Rotated: len(delays[p])}
		f.P50, f.P99 = quantile(delays[p], 0.50), quantile(delays[p], 0.99)
		f.count(ledger)
		for i, l := range r.links {
			if l.Address.Provider != p {
				continue
			}
			now, err := r.stage.cell.Link(ctx, l.Address)
			if err != nil {
				return err
			}
			f.Expiries++
			f.Reports += share(o.Reports, len(r.links), i)
			f.Refreshes += int(now.Generation - 1)
		}
		out.Regrant = append(out.Regrant, f)
	}
	all := slices.Concat(slices.Collect(maps.Values(delays))...)
	out.Total = total(out.Regrant)
	out.Total.P50, out.Total.P99 = quantile(all, 0.50), quantile(all, 0.99)
	return r.leftOver(ctx, o, out)
}

// count takes from the ledger how often the provider was asked.
func (f *Figures) count(ledger *providertest.Ledger) {
	perToken := map[string]int{}
	for _, p := range ledger.Presentations(providertest.Filter{Provider: f.Provider}) {
		f.Presentations++
		perToken[p.Token]++
		f.MostPerToken = max(f.MostPerToken, perToken[p.Token])
	}
}

// rotations returns by provider how long each stored token-rotated came after the
// first report about its link: both times are of this machine's one clock.
func (r *reporters) rotations(ctx context.Context) (map[string][]time.Duration, error) {
	first := map[events.Address]time.Time{}
	for i, l := range r.links {
		first[l.Address] = r.first[i]
	}
	subjects := r.stage.cell.Bus.Names().Subjects()
	delays := map[string][]time.Duration{}
	spec := bus.WatchSpec{Subject: subjects.OutFilter(events.Address{}, events.NameTokenRotated), Stored: true}
	err := r.stage.cell.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
		a, _, err := subjects.ParseOut(m.Subject)
		if err != nil {
			return err
		}
		delays[a.Provider] = append(delays[a.Provider], m.StoredAt.Sub(first[a]))
		return nil
	})
	return delays, err
}

// leftOver counts what should not be there when all is over.
func (r *reporters) leftOver(ctx context.Context, o Options, out *Report) (err error) {
	if out.Pending, err = r.stage.pending(ctx, o.Providers); err != nil {
		return err
	}
	dead, err := r.stage.cell.Bus.JetStream().Stream(ctx, r.stage.cell.Bus.Names().Dead())
	if err != nil {
		return err
	}
	out.DeadLetters = int(dead.CachedInfo().State.Msgs)
	return nil
}

// quantile is the smallest duration that a share q of all does not exceed, in
// milliseconds; 0 of none.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return milliseconds(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)])
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*10) / 10
}
