package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/spool"
)

type keysResealCmd struct {
	Rate   int  `help:"How many records are read or written a second." default:"500"`
	DryRun bool `help:"Say what there is to do, and do nothing."`
}

// resealed is what a run of reseal did, or found.
type resealed struct {
	Key uint32 `json:"key"`
	// Before are the values by the key that sealed them.
	Before handlers.KeyCount `json:"before"`
	// Left are the records that need another key than the primary one: before, for a dry run.
	Left int `json:"left"`
	handlers.Resealed
	DryRun bool `json:"dry_run,omitempty"`
}

func (r *keysResealCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	if err := positive("rate", r.Rate); err != nil {
		return err
	}
	v, err := openVault(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close(ctx)) }()
	found, err := v.survey(ctx, c, r.Rate, false)
	passed := err // records that cannot be read: the others need not wait for them
	if err != nil && !errors.As(err, new(*links.Unreadable)) {
		return err
	}
	defer func() { err = errors.Join(err, passed) }()
	out := resealed{Key: v.keys.Primary(), Before: found.Values, Left: found.Left(), DryRun: r.DryRun}
	if !r.DryRun {
		if out.Resealed, err = r.reseal(ctx, c, v, found); err != nil {
			return fmt.Errorf("%w; what was resealed stays so: run it again", err)
		}
		out.Left = out.Busy + out.Failed
	}
	return out.print(c)
}

func (r *keysResealCmd) reseal(ctx context.Context, c *cli.Common, v *vault, found handlers.Survey) (handlers.Resealed, error) {
	workers, err := v.workers(ctx)
	if err == nil {
		err = allHave(workers, v.keys.Primary())
	}
	if err != nil {
		return handlers.Resealed{}, err
	}
	entry := audit.Entry{Action: audit.Resealed, Outcome: "begun", Details: map[string]string{
		"key": fmt.Sprint(v.keys.Primary()), "records": fmt.Sprint(found.Left()),
	}}
	if err := v.run().Before(ctx, entry); err != nil {
		return handlers.Resealed{}, err
	}
	bar := c.Progress("resealed", found.Left())
	defer bar.End()
	return v.resealer(r.Rate).Run(ctx, found, bar.Step)
}

func (r resealed) print(c *cli.Common) error {
	if c.JSON {
		if err := c.Print(r); err != nil {
			return err
		}
	} else if r.DryRun {
		fmt.Fprintf(c.Out, "%d records have values that key %d did not seal.\n", r.Left, r.Key)
	} else {
		fmt.Fprintf(c.Out, "Resealed %d links and %d consent flows under key %d.\n", r.Links, r.Flows, r.Key)
	}
	switch {
	case r.DryRun:
		return nil
	case r.Failed > 0:
		return fmt.Errorf("%d records have values that do not open and stay as they are: %w", r.Failed, r.Problem)
	case r.Busy > 0:
		return fmt.Errorf("%d links were being refreshed each time: run it again", r.Busy)
	}
	return nil
}

// survey counts what is stored by key.
func (v *vault) survey(ctx context.Context, c *cli.Common, rate int, exact bool) (handlers.Survey, error) {
	bar := c.Progress("records read", -1)
	defer bar.End()
	return v.resealer(rate).Survey(ctx, exact, bar.Step)
}

// spooled counts the answers on this host's disk by key.
func (v *vault) spooled() (handlers.KeyCount, error) {
	held, err := spool.Held(worker.SpoolOf(v.cfg))
	counted := handlers.KeyCount{}
	counted.Spooled(held)
	return counted, err
}

func positive(flag string, n int) error {
	if n < 1 {
		return fmt.Errorf("%w: --%s must be at least 1", cli.ErrBadInput, flag)
	}
	return nil
}
