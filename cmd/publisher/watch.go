package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/cli"
)

type watchCmd struct {
	Type     string `help:"Only events of this name, such as token-rotated."`
	Tenant   string `help:"Only of this tenant."`
	Provider string `help:"Only of this provider."`
	Link     string `help:"Only of this link."`
	Since    string `help:"Also what was stored since: an RFC 3339 time, or how long ago, such as 1h." placeholder:"TIME"`
	Count    int    `help:"End after so many events."`
}

func (w *watchCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	spec, err := w.spec(time.Now())
	if err != nil {
		return err
	}
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	b, err := c.Connect(ctx, cfg.Defaults(), roleOperator)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	spec.Subject = b.Names().Subjects().OutFilter(events.Address{Tenant: w.Tenant, Provider: w.Provider, Link: w.Link}, events.Name(w.Type))
	err = b.Watch(ctx, spec, func(m *inbox.Message) error {
		_, err := fmt.Fprintf(c.Out, "%s\n", m.Data)
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil // interrupted: that is how a watch ends
	}
	return err
}

// selected is the address that is watched, with any name where all are: only to
// see that no part holds a wildcard or a dot.
func (w *watchCmd) selected() events.Address {
	return events.Address{Tenant: cmp.Or(w.Tenant, "any"), Provider: cmp.Or(w.Provider, "any"), Link: cmp.Or(w.Link, "any")}
}

func (w *watchCmd) spec(now time.Time) (bus.WatchSpec, error) {
	spec := bus.WatchSpec{Count: w.Count}
	if name := events.Name(w.Type); w.Type != "" && (!name.Known() || name.Input()) {
		return spec, fmt.Errorf("%w: --type: %q is not an output event", cli.ErrBadInput, w.Type)
	}
	if w.Count < 0 {
		return spec, fmt.Errorf("%w: --count: %d is negative; left out, the watch does not end", cli.ErrBadInput, w.Count)
	}
	if err := w.selected().Validate(); err != nil {
		return spec, err
	}
	var err error
	spec.Since, err = cli.Moment("since", w.Since, now)
	return spec, err
}
