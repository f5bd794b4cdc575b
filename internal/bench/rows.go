package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/internal/bench/report"
)

// row is a line of the table, or several that are measured together.
type row struct {
	number int
	what   string
	// rivals says that others are measured too.
	rivals  bool
	measure func(context.Context, *bench) ([]report.Line, error)
}

var rows = []row{
	{1, "100,000 reports of 100 links", true, func(ctx context.Context, b *bench) ([]report.Line, error) { return b.storms(ctx) }},
	{2, "distinct links, provider 100 ms", false, func(ctx context.Context, b *bench) ([]report.Line, error) {
		return b.distinct(ctx, distinct{work: work{links: 11_000, delay: 100 * time.Millisecond, window: 4 * time.Second}, bar: 0.95, limited: true})
	}},
	{3, "distinct links, provider 0 ms", true, func(ctx context.Context, b *bench) ([]report.Line, error) {
		return b.distinct(ctx, distinct{work: work{links: 12_000, window: 4 * time.Second}, bar: 0.60, rival: 3})
	}},
	{4, "distinct links, provider 0 ms, every write flushed", false, func(ctx context.Context, b *bench) ([]report.Line, error) {
		return b.distinct(ctx, distinct{work: work{links: 4_000, durable: true, window: 4 * time.Second}, bar: 0.45})
	}},
	{5, "time added at a tenth of capacity", false, func(ctx context.Context, b *bench) ([]report.Line, error) { return b.added(ctx) }},
	{6, "a slow provider beside a fast one", false, func(ctx context.Context, b *bench) ([]report.Line, error) { return b.isolated(ctx) }},
	{7, "the transport of a service", false, func(ctx context.Context, b *bench) ([]report.Line, error) { return b.transport(ctx) }},
	{8, "a million links", false, func(ctx context.Context, b *bench) ([]report.Line, error) { return b.many(ctx) }},
}

// turns has the contestants take turns: what slows the machine for a while slows
// all of them.
func (b *bench) turns(ctx context.Context, try func(round int) error) error {
	for i := range b.rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := try(i); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	return nil
}
