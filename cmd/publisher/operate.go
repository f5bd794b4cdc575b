package main

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/cli"
)

// operate connects as operator for as long as do runs.
func operate(ctx context.Context, c *cli.Common, do func(b *bus.Bus) error) (err error) {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	b, err := c.Connect(ctx, cfg.Defaults(), roleOperator)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	return do(b)
}

// runOf is this run of the command, for the audit.
func runOf(c *cli.Common, b *bus.Bus) audit.Run { return audit.NewRun(b, time.Now, c.ConnectTimeout) }
