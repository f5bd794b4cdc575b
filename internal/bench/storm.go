package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/internal/bench/report"
)

// storm is 1,000 reports of each link, all at once.
type storm struct {
	delay     time.Duration
	processes int
}

var storms = []storm{{0, 1}, {0, 3}, {usual, 1}, {usual, 3}}

// Each link of a storm is reported so often.
const reportsPerLink = 1000

func (b *bench) storms(ctx context.Context) (lines []report.Line, err error) {
	for _, s := range storms {
		found, err := b.storm(ctx, s)
		lines = append(lines, found...)
		if err != nil {
			return lines, err
		}
	}
	return lines, nil
}

func (b *bench) storm(ctx context.Context, s storm) ([]report.Line, error) {
	w := work{links: 100, reports: 100 * reportsPerLink, delay: s.delay, processes: s.processes, window: time.Minute}
	if b.short {
		w.links, w.reports = w.links/10, w.reports/10
	}
	var ratios, rates, bares []float64
	presented := 0.0
	err := b.turns(ctx, func(int) error {
		k, err := b.try(ctx, bare, w)
		if err != nil {
			return err
		}
		o, err := b.try(ctx, ours, w)
		if err != nil {
			return err
		}
		ratios, rates, bares = append(ratios, o.PerSecond()/k.PerSecond()), append(rates, o.PerSecond()), append(bares, k.PerSecond())
		presented = max(presented, o.counts.PerToken())
		return o.refreshed(w)
	})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("duplicate storm, provider %s, %s, against ", shown(s.delay), workers(s.processes))
	return []report.Line{{
		What: what + "K", Value: report.Median(ratios), Rounds: ratios, Bar: 0.90, Presentations: presented,
		Detail: fmt.Sprintf("Regrant %.0f/s, K %.0f/s", report.Median(rates), report.Median(bares)),
	}}, nil
}

// refreshed makes sure that each link of a storm got its new generation.
func (t trial) refreshed(w work) error {
	if t.Settled == w.reports && t.counts.Tokens != w.links {
		return fmt.Errorf("%d links were reported, and %d tokens presented", w.links, t.counts.Tokens)
	}
	return nil
}

func workers(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}
