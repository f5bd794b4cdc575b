package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/internal/bench/report"
	"github.com/regrant/regrant/internal/bench/stand"
)

// usual is the provider's delay where it is not the subject.
const usual = 100 * time.Millisecond

// added is the time that a refresh takes longer than the floor's, at a tenth of
// what the concurrency lets through.
func (b *bench) added(ctx context.Context) ([]report.Line, error) {
	p := pace{delays: map[string]time.Duration{op: usual}, rate: stand.Concurrency * int(time.Second/usual) / 10, span: 6 * time.Second}
	if b.short {
		p.span = time.Second
	}
	var middle, worst, f50, f99, e50, e99 []float64
	presented := 0.0
	err := b.turns(ctx, func(int) error {
		f, err := b.paced(ctx, floor, p)
		if err != nil {
			return err
		}
		e, err := b.paced(ctx, exchanges, p)
		if err != nil {
			return err
		}
		o, err := b.paced(ctx, ours, p)
		middle, worst = append(middle, ms(o.p50-f.p50)), append(worst, ms(o.p99-f.p99))
		f50, f99 = append(f50, ms(f.p50)), append(f99, ms(f.p99))
		e50, e99 = append(e50, ms(e.p50-f.p50)), append(e99, ms(e.p99-f.p99))
		presented = max(presented, o.counts.PerToken())
		return err
	})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("added over F at %d/s, provider %s, ", p.rate, shown(usual))
	return []report.Line{
		{What: what + "p50", Value: report.Median(middle), Rounds: middle, Unit: "ms", Bar: 1, AtMost: true, Presentations: presented, Detail: fmt.Sprintf("F %.1f ms; E adds %.2f ms", report.Median(f50), report.Median(e50))},
		{What: what + "p99", Value: report.Median(worst), Rounds: worst, Unit: "ms", Bar: 3, AtMost: true, Presentations: presented, Detail: fmt.Sprintf("F %.1f ms; E adds %.2f ms", report.Median(f99), report.Median(e99))},
	}, nil
}

// isolated is what a provider that answers slowly, and has more to do than its
// slots can, does to the one beside it.
func (b *bench) isolated(ctx context.Context) ([]report.Line, error) {
	p := pace{delays: map[string]time.Duration{op: usual, slow: 2 * time.Second}, rate: 100, span: 8 * time.Second}
	if b.short {
		p.span = time.Second
	}
	var mine, machines, a99, b99 []float64
	presented := 0.0
	err := b.turns(ctx, func(int) error {
		f, err := b.disturbed(ctx, floor, p)
		if err != nil {
			return err
		}
		o, err := b.disturbed(ctx, ours, p)
		machines, mine = append(machines, f.ratio()), append(mine, o.ratio())
		a99, b99 = append(a99, ms(o.alone.p99)), append(b99, ms(o.beside.p99))
		presented = max(presented, o.alone.counts.PerToken(), o.beside.counts.PerToken())
		return err
	})
	if err != nil {
		return nil, err
	}
	return []report.Line{{
		What: "p99 of a provider of 100 ms beside one of 2 s whose slots are all taken, against alone", Value: report.Median(mine), Rounds: mine, Bar: 1.2, AtMost: true, Presentations: presented,
		Detail: fmt.Sprintf("alone %.1f ms, beside %.1f ms; F, a process for each of the two, %.2f", report.Median(a99), report.Median(b99), report.Median(machines)),
	}}, nil
}

// disturbance is what a contestant's fast provider takes alone and beside a slow one.
type disturbance struct{ alone, beside times }

func (d disturbance) ratio() float64 { return float64(d.beside.p99) / float64(max(1, d.alone.p99)) }

func (b *bench) disturbed(ctx context.Context, who contestant, p pace) (d disturbance, err error) {
	if d.alone, err = b.paced(ctx, who, p); err != nil {
		return d, err
	}
	p.beside = stand.Concurrency * 5 / 8 // per second; its slots let half of a second's through each second
	d.beside, err = b.paced(ctx, who, p)
	return d, err
}
