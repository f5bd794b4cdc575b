package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
)

type provisionCmd struct{}

func (p *provisionCmd) Run(ctx context.Context, c *cli.Common) error {
	cfg, err := settled(c)
	if err != nil {
		return err
	}
	report, err := provision(ctx, c, cfg)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.Print(map[string][]string{
			"created": append([]string{}, report.Created...), "updated": append([]string{}, report.Updated...), "unchanged": append([]string{}, report.Unchanged...),
		})
	}
	for _, did := range []struct {
		what  string
		names []string
	}{{"created", report.Created}, {"updated", report.Updated}, {"unchanged", report.Unchanged}} {
		for _, name := range did.names {
			fmt.Fprintf(c.Out, "%-9s  %s\n", did.what, name)
		}
	}
	return nil
}

// provision makes or updates what the cell needs.
func provision(ctx context.Context, c *cli.Common, cfg config.Config) (report bus.Report, err error) {
	b, err := c.Connect(ctx, cfg, "admin")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	return b.Provision(ctx, worker.Plan(cfg))
}
