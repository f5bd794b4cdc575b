package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/internal/bench/report"
	"github.com/regrant/regrant/internal/bench/stand"
)

// distinct is a backlog of links that are each reported once.
type distinct struct {
	work
	bar float64
	// limited holds a contestant against what the provider's delay lets through,
	// where that is less than the floor manages.
	limited bool
	// rival is how many times as fast as N it must be; 0: N is not asked.
	rival float64
}

func (b *bench) distinct(ctx context.Context, d distinct) (lines []report.Line, err error) {
	d.reports = d.links
	if b.short {
		d.links, d.reports = d.links/10, d.reports/10
	}
	var ratios, rates, floors, others, theirs, prices []float64
	presented := 0.0
	err = b.turns(ctx, func(int) error {
		f, err := b.try(ctx, floor, d.work)
		if err != nil {
			return err
		}
		e, err := b.try(ctx, exchanges, d.work)
		if err != nil {
			return err
		}
		o, err := b.try(ctx, ours, d.work)
		if err != nil {
			return err
		}
		against := f.PerSecond()
		if limit := float64(stand.Concurrency) / d.delay.Seconds(); d.limited && d.delay > 0 {
			against = min(against, limit)
		}
		ratios, rates, floors = append(ratios, o.PerSecond()/against), append(rates, o.PerSecond()), append(floors, f.PerSecond())
		prices = append(prices, e.PerSecond()/against)
		presented = max(presented, o.counts.PerToken())
		if d.rival > 0 {
			n, err := b.try(ctx, naive, d.work)
			if err != nil {
				return err
			}
			others, theirs = append(others, o.PerSecond()/n.PerSecond()), append(theirs, n.PerSecond())
		}
		return o.worked()
	})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("distinct links, provider %s, against F", shown(d.delay))
	if d.limited {
		what = fmt.Sprintf("distinct links, provider %s, concurrency %d, against the less of F and concurrency/delay", shown(d.delay), stand.Concurrency)
	}
	if d.durable {
		what += ", every write flushed for both"
	}
	lines = []report.Line{{
		What: what, Value: report.Median(ratios), Rounds: ratios, Bar: d.bar, Presentations: presented,
		Detail: fmt.Sprintf("Regrant %.0f/s, F %.0f/s; E would measure %.2f", report.Median(rates), report.Median(floors), report.Median(prices)),
	}}
	if d.rival > 0 {
		lines = append(lines, report.Line{
			What: fmt.Sprintf("distinct links, provider %s, against N", shown(d.delay)), Value: report.Median(others), Rounds: others, Bar: d.rival, Presentations: presented,
			Detail: fmt.Sprintf("N %.0f/s", report.Median(theirs)),
		})
	}
	return lines, nil
}

// worked makes sure that no distinct link's report was settled without its refresh.
func (t trial) worked() error {
	if t.counts.Tokens < t.Settled {
		return fmt.Errorf("%d reports were settled, and only %d tokens presented", t.Settled, t.counts.Tokens)
	}
	return nil
}

func shown(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
