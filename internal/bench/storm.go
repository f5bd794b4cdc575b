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
	some := storms
	if b.short {
		some = storms[len(storms)-1:]
	}
	for _, s := range some {
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
	rates, ratios := map[string][]float64{}, map[string][]float64{}
	presented := 0.0
	err := b.turns(ctx, func(int) error {
		o, err := b.try(ctx, ours, w)
		if err != nil {
			return err
		}
		rates[ours.name] = append(rates[ours.name], o.PerSecond())
		presented = max(presented, o.counts.PerToken())
		for _, other := range []contestant{bare, naive, watermill} {
			t, err := b.try(ctx, other, w.scaled(other))
			if err != nil {
				return err
			}
			rates[other.name], ratios[other.name] = append(rates[other.name], t.PerSecond()), append(ratios[other.name], o.PerSecond()/t.PerSecond())
		}
		return o.refreshed(w)
	})
	if err != nil {
		return nil, err
	}
	var lines []report.Line
	for _, against := range []struct {
		contestant
		bar float64
	}{{bare, 0.90}, {naive, 15}, {watermill, 15}} {
		lines = append(lines, report.Line{
			What:  fmt.Sprintf("duplicate storm, provider %s, %s, against %s", shown(s.delay), workers(s.processes), against.name),
			Value: report.Median(ratios[against.name]), Rounds: ratios[against.name], Bar: against.bar, Presentations: presented,
			Detail: fmt.Sprintf("Regrant %.0f/s, %s %.0f/s", report.Median(rates[ours.name]), against.name, report.Median(rates[against.name])),
		})
	}
	return lines, nil
}

// rivalLinks is how many links of a storm the rivals get.
const rivalLinks = 5

// scaled gives rivals fewer links, each reported as often. Their rate is that of the
// whole storm: every link costs them the same, one after the other.
func (w work) scaled(who contestant) work {
	if who.name != bare.name {
		w.links, w.reports = rivalLinks, rivalLinks*reportsPerLink
	}
	return w
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
