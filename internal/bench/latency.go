package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/internal/bench/load"
	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/bench/stand"
)

// slow is the provider beside op in the row about isolation.
const slow = "slow"

// pace is a steady stream of reports to a contestant.
type pace struct {
	// delays of the providers.
	delays map[string]time.Duration
	// rate of reports of op's links per second, for so long.
	rate int
	span time.Duration
	// beside is the rate of reports of slow's links, which begin some time before; 0: none.
	beside int
}

// lead is how long before op's reports those of the slow provider begin: by then
// its slots are taken and a queue stands behind them.
const lead = 4 * time.Second

// warm is how long the first reports are not counted: connections are being made.
const warm = time.Second

// times are what a paced trial measured.
type times struct {
	p50, p99 time.Duration
	counts   provider.Counts
}

// paced reports links of op at a steady rate and measures until they are announced.
func (b *bench) paced(ctx context.Context, who contestant, p pace) (t times, err error) {
	c, err := b.Cell(ctx, p.delays)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, c.Remove(context.WithoutCancel(ctx))) }()
	measured := load.Spec{NATSURL: b.NATSURL, Prefix: c.Name, Provider: op, Rate: p.rate, Links: p.rate * int((p.span+warm)/time.Second), Patience: time.Minute}
	beside := load.Spec{NATSURL: b.NATSURL, Prefix: c.Name, Provider: slow, Rate: p.beside, Links: p.beside * int((p.span+warm+lead)/time.Second)}
	if who.linked {
		if err := errors.Join(c.Import(ctx, op, measured.Links), c.Import(ctx, slow, beside.Links)); err != nil {
			return t, err
		}
	}
	result, err := b.report(ctx, who, c, p, measured, beside)
	if err != nil {
		return t, err
	}
	if t.counts, err = c.Counts(ctx); err != nil {
		return t, err
	}
	if result.Missing > 0 {
		return t, fmt.Errorf("%s: %d of %d reports were not answered in time", who.name, result.Missing, measured.Links)
	}
	t.p50, t.p99 = percentiles(result.Took[p.rate*int(warm/time.Second):])
	fmt.Fprintf(b.progress, "  %-8s p50 %.2f ms, p99 %.2f ms; presented %d of %d, at most %d\n", who.name, ms(t.p50), ms(t.p99), t.counts.Presentations, t.counts.Tokens, t.counts.Most)
	return t, nil
}

// report runs the contestant and the loads.
func (b *bench) report(ctx context.Context, who contestant, c *stand.Cell, p pace, measured, beside load.Spec) (result load.Result, err error) {
	var processes []*stand.Process
	defer func() { err = errors.Join(err, end(ctx, processes...)) }()
	for _, w := range p.shared(who) {
		process, err := who.start(b, c, w)
		if err != nil {
			return result, err
		}
		processes = append(processes, process)
	}
	if p.beside > 0 {
		other, err := b.startLoad(beside)
		if err != nil {
			return result, err
		}
		defer other.Kill()
		if err := pause(ctx, lead); err != nil {
			return result, err
		}
	}
	l, err := b.startLoad(measured)
	if err != nil {
		return result, err
	}
	defer l.Kill()
	select {
	case <-l.Exited():
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
	_, text, _ := strings.Cut(l.Output(), load.Ready+"\n")
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		return result, fmt.Errorf("the load ended with: %s", l.Output())
	}
	return result, nil
}

// shared is what each of the contestant's processes deals with.
func (p pace) shared(who contestant) []work {
	all := []work{{provider: op, delay: p.delays[op]}}
	if who.apart && p.beside > 0 {
		all = append(all, work{provider: slow, delay: p.delays[slow]})
	}
	return all
}

func (b *bench) startLoad(s load.Spec) (*stand.Process, error) {
	return stand.Start(stand.Command{Name: "load", Path: b.self, Args: append([]string{"load"}, s.Args()...), Ready: load.Ready})
}

func end(ctx context.Context, processes ...*stand.Process) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for _, p := range processes {
		err = errors.Join(err, p.End(ctx))
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func percentiles(took []time.Duration) (p50, p99 time.Duration) {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)/2], sorted[len(sorted)*99/100]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
