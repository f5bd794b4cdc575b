package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links/kvstore"
)

type linksCmd struct {
	Import   importCmd   `cmd:"" help:"Import grants that were obtained elsewhere, one JSON object a line on standard input."`
	List     listCmd     `cmd:"" help:"List links."`
	Show     showCmd     `cmd:"" help:"Show one link, without its secrets."`
	Revoke   revokeCmd   `cmd:"" help:"Ask the workers to revoke a link at its provider and to clear it here."`
	Restored restoredCmd `cmd:"" help:"After the store was restored from a backup: keep what may have been presented since from being presented again."`
}

// cell is an open store for the commands that look at links.
type cell struct {
	cfg   config.Config
	bus   *bus.Bus
	store *kvstore.Store
}

// settled is the configuration with its defaults, checked.
func settled(c *cli.Common) (config.Config, error) {
	cfg, err := c.Load()
	if err != nil {
		return cfg, err
	}
	cfg = cfg.Defaults()
	return cfg, cfg.Validate()
}

func openCell(ctx context.Context, c *cli.Common) (*cell, error) {
	cfg, err := settled(c)
	if err != nil {
		return nil, err
	}
	return connectCell(ctx, c, cfg)
}

func connectCell(ctx context.Context, c *cli.Common, cfg config.Config) (*cell, error) {
	b, err := c.Connect(ctx, cfg, "operator")
	if err != nil {
		return nil, err
	}
	store, err := worker.Store(ctx, b)
	if err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return &cell{cfg: cfg, bus: b, store: store}, nil
}

func (c *cell) Close(ctx context.Context) error { return c.bus.Close(context.WithoutCancel(ctx)) }

func when(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format(time.RFC3339)
}

// words is a list for people. An empty one may be unknown or hold nothing.
func words(list []string) string { return cmp.Or(strings.Join(list, " "), "none known") }
