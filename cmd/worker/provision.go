package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
)

type provisionCmd struct{}

func (p *provisionCmd) Run(ctx context.Context, c *cli.Common) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	return provision(ctx, c, cfg)
}

// provision makes or updates what the cell needs and prints what it did.
func provision(ctx context.Context, c *cli.Common, cfg config.Config) (err error) {
	b, err := c.Connect(ctx, cfg, "operator")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	report, err := b.Provision(ctx, worker.Plan(cfg))
	if err != nil {
		return err
	}
	if c.JSON {
		return c.Print(report)
	}
	fmt.Fprintln(c.Err, report)
	return nil
}
