package main

import (
	"context"
	"fmt"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/cli"
)

type deadDropCmd struct {
	deadChoice `embed:""`
	Yes        bool `help:"Also if it is more than one."`
}

func (d *deadDropCmd) Run(ctx context.Context, c *cli.Common) error {
	return operate(ctx, c, func(b *bus.Bus) error {
		all, err := d.letters(ctx, b)
		switch {
		case err != nil:
			return err
		case len(all) > 1 && !d.Yes:
			return fmt.Errorf("%w: these are %d letters, and no way brings them back: look at them with `publisher dead list`, then drop them with --yes", cli.ErrBadInput, len(all))
		case len(all) == 0:
			return d.report(c, 0)
		}
		run := runOf(c, b)
		if err := run.Before(ctx, d.entry(audit.DeadDropped, len(all))); err != nil {
			return err
		}
		n, err := d.drop(ctx, c, b, newLinkEntries(run, audit.DeadDropped, b.Names(), all), all)
		if err != nil {
			return fmt.Errorf("%w; %d of %d letters are dropped: run this again for the others", err, n, len(all))
		}
		return d.report(c, n)
	})
}

func (d *deadDropCmd) drop(ctx context.Context, c *cli.Common, b *bus.Bus, links linkEntries, all []bus.Letter) (n int, err error) {
	bar := c.Progress("drop", len(all))
	defer bar.End()
	err = eachLetter(ctx, bar, all, func(l bus.Letter) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), links.run.Patience)
		defer cancel()
		a, _ := b.Names().About(l.DeadLetter)
		if err := links.before(ctx, a); err != nil {
			return err
		}
		if err := b.DropLetter(ctx, l.Number); err != nil {
			return err
		}
		n++
		return nil
	})
	return n, err
}

func (d *deadDropCmd) report(c *cli.Common, n int) error {
	if c.JSON {
		return c.Print(map[string]int{"dropped": n})
	}
	_, err := fmt.Fprintf(c.Out, "dropped %d\n", n)
	return err
}
