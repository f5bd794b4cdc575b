package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/bench/stand"
)

// op is the provider of every row; the one with a slow provider beside it has another.
const op = "op"

// work is a backlog that contestants are given.
type work struct {
	// provider whose reports a contestant takes that deals with one alone; "": op.
	provider string
	// links there are, and reports of them in turns.
	links, reports int
	// delay of the provider.
	delay time.Duration
	// processes share the work; 0: one.
	processes int
	// durable has NATS flush every write.
	durable bool
	// window ends the measurement though reports are left.
	window time.Duration
}

// trial is what one contestant did of it.
type trial struct {
	stand.Drained
	counts provider.Counts
	// cpu is the processor time that each process used meanwhile.
	cpu map[string]time.Duration
}

// try gives the work to a contestant, in a cell of its own.
func (b *bench) try(ctx context.Context, who contestant, w work) (t trial, err error) {
	on, err := b.on(w.durable)
	if err != nil {
		return t, err
	}
	c, err := on.Cell(ctx, map[string]time.Duration{op: w.delay})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, c.Remove(context.WithoutCancel(ctx))) }()
	if who.linked {
		if err := c.Import(ctx, op, w.links); err != nil {
			return t, err
		}
	}
	if err := c.Fill(ctx, op, w.links, w.reports); err != nil {
		return t, err
	}
	if err := c.CloseGate(ctx, op); err != nil {
		return t, err
	}
	if t, err = b.run(ctx, who, c, w); err != nil {
		return t, fmt.Errorf("%s: %w", who.name, err)
	}
	if t.counts, err = c.Counts(ctx); err != nil {
		return t, err
	}
	fmt.Fprintf(b.progress, "  %-8s %s\n", who.name, t)
	return t, nil
}

// run starts the contestant's processes, lets the reports go, and ends the
// processes when the reports are settled: with what they are at finished, so that
// what was presented can be held against what was settled.
func (b *bench) run(ctx context.Context, who contestant, c *stand.Cell, w work) (t trial, err error) {
	var processes []*stand.Process
	defer func() { err = errors.Join(err, end(ctx, processes...)) }()
	for range max(1, w.processes) {
		p, err := who.start(b, c, w)
		if err != nil {
			return t, err
		}
		processes = append(processes, p)
	}
	before := used(c.Stand, processes)
	opened, err := c.OpenGate(ctx, op)
	if err != nil {
		return t, err
	}
	t.Drained, err = c.Drain(ctx, op, opened, w.reports, w.window)
	t.cpu = used(c.Stand, processes)
	for name := range t.cpu {
		t.cpu[name] -= before[name]
	}
	return t, err
}

func used(s *stand.Stand, processes []*stand.Process) map[string]time.Duration {
	used := s.CPU()
	for _, p := range processes {
		used[p.Name] += p.CPU()
	}
	return used
}

// String is the trial for people who look for where the time goes.
func (t trial) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%8.0f/s, %d in %.2f s, presented %d of %d, at most %d; µs of CPU each:",
		t.PerSecond(), t.Settled, t.Took.Seconds(), t.counts.Presentations, t.counts.Tokens, t.counts.Most)
	for _, name := range slices.Sorted(maps.Keys(t.cpu)) {
		fmt.Fprintf(&s, " %s %.0f", name, t.each(name))
	}
	return s.String()
}

// each is the processor time of a process for one report, in microseconds.
func (t trial) each(name string) float64 {
	return float64(t.cpu[name].Microseconds()) / float64(max(1, t.Settled))
}
