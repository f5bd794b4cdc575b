package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type deadListCmd struct {
	deadFilter `embed:""`
	Count      bool `help:"Only count them, by type and reason."`
}

// deadRow is a letter with what its subject says taken apart.
type deadRow struct {
	bus.Letter
	events.Address
	Type events.Name `json:"type"`
}

// deadCount is how many letters of one type have one reason.
type deadCount struct {
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Letters int    `json:"letters"`
}

func (d *deadListCmd) Run(ctx context.Context, c *cli.Common) error {
	return operate(ctx, c, func(b *bus.Bus) error {
		all, err := d.letters(ctx, b)
		switch {
		case err != nil:
			return err
		case d.Count:
			return d.counts(c, b.Names(), all)
		case c.JSON:
			return deadLines(c, b.Names(), all)
		}
		w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "NUMBER\tGIVEN UP\tTYPE\tLINK\tREASON\tFIELD\tDELIVERIES\tBY")
		for _, l := range all {
			link, kind := about(b.Names(), l.DeadLetter)
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", l.Number, l.Last.UTC().Format(time.RFC3339), kind, link,
				l.Reason, cmp.Or(l.Field, "-"), l.Deliveries, l.Worker)
		}
		fmt.Fprintf(w, "%d letters\n", len(all))
		return w.Flush()
	})
}

func deadLines(c *cli.Common, names bus.Names, all []bus.Letter) error {
	for _, l := range all {
		a, name := names.About(l.DeadLetter)
		if err := c.Print(deadRow{l, a, name}); err != nil {
			return err
		}
	}
	return nil
}

func (d *deadListCmd) counts(c *cli.Common, names bus.Names, all []bus.Letter) error {
	count := map[deadCount]int{}
	for _, l := range all {
		_, kind := about(names, l.DeadLetter)
		count[deadCount{Type: kind, Reason: l.Reason}]++
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	for _, k := range slices.SortedFunc(maps.Keys(count), byCount(count)) {
		k, n := k, count[k]
		if k.Letters = n; c.JSON {
			if err := c.Print(k); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", n, k.Type, k.Reason)
	}
	return w.Flush()
}

// byCount puts the most frequent first.
func byCount(count map[deadCount]int) func(a, b deadCount) int {
	return func(a, b deadCount) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Reason, b.Reason))
	}
}
