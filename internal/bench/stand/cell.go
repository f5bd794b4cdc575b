package stand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/seal"
)

// Concurrency is how many refreshes a process has under way at most, whoever runs it.
const Concurrency = 256

// Cell is a set of streams and buckets that one contestant works on, once.
type Cell struct {
	// Name is the cell's prefix, and names it in tokens.
	Name   string
	Config config.Config
	Bus    *bus.Bus
	// Stand is where the cell's servers are.
	Stand *Stand

	store *kvstore.Store
	keys  *seal.Keys
	dir   string
}

// Cell makes a cell whose providers, by name, answer after these delays.
func (s *Stand) Cell(ctx context.Context, delays map[string]time.Duration) (c *Cell, err error) {
	name := "b" + strconv.FormatInt(s.cells.Add(1), 10)
	c = &Cell{Name: name, Stand: s, dir: filepath.Join(s.dir, "cells", name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Remove(context.WithoutCancel(ctx)))
			c = nil
		}
	}()
	if err := c.configure(delays); err != nil {
		return c, err
	}
	c.Bus, err = bus.Connect(ctx, bus.Config{URL: s.NATSURL, Prefix: name, Role: "operator", Name: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return c, err
	}
	if _, err := c.Bus.Provision(ctx, worker.Plan(c.Config)); err != nil {
		return c, err
	}
	c.store, err = worker.Store(ctx, c.Bus)
	return c, err
}

// Remove deletes what the cell has stored.
func (c *Cell) Remove(ctx context.Context) (err error) {
	if c.Bus != nil {
		for _, name := range c.streams() {
			if each := c.Bus.JetStream().DeleteStream(ctx, name); !errors.Is(each, jetstream.ErrStreamNotFound) {
				err = errors.Join(err, each)
			}
		}
		err = errors.Join(err, c.Bus.Close(ctx))
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *Cell) streams() []string {
	n := c.Bus.Names()
	all := []string{n.In(), n.Timer(), n.Out(), n.Dead(), n.Audit()}
	for _, bucket := range []string{n.Links(), n.Index(), n.Consents(), n.Apps()} {
		all = append(all, bus.BucketStream(bucket))
	}
	return all
}

// configure writes what the worker program reads, and reads it.
func (c *Cell) configure(delays map[string]time.Duration) (err error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "nats: { url: %q, prefix: %s }\nredis: { url: %q }\nkeys: { file: keys.json }\ndata_dir: data\nproviders:\n", c.Stand.NATSURL, c.Name, c.Stand.RedisURL)
	for name, delay := range delays {
		fmt.Fprintf(&text, providerText, name, c.Stand.Provider.TokenURL(delay), Concurrency)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "op.secret"), []byte(ClientSecret), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(c.ConfigFile(), []byte(text.String()), 0o600); err != nil {
		return err
	}
	if c.Config, err = config.Load(c.ConfigFile()); err != nil {
		return err
	}
	c.Config = c.Config.Defaults()
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.keys, err = seal.Generate(); err != nil {
		return err
	}
	return c.keys.Save(c.Config.Keys.File)
}

// ClientID and ClientSecret are what every contestant authenticates with.
const (
	ClientID     = "bench"
	ClientSecret = "known to all"
)

const providerText = `  %s:
    profile: generic
    token_url: %q
    client_id: ` + ClientID + `
    client_secret_file: op.secret
    auth_style: basic
    rotation: always
    replay: forbidden
    min_interval: 0s
    concurrency: %d
    allow_loopback: true
`

// ConfigFile is what `worker run --config` is given.
func (c *Cell) ConfigFile() string { return filepath.Join(c.dir, "regrant.yaml") }

// Dir is the cell's own, on the disk to be measured.
func (c *Cell) Dir() string { return c.dir }

// Address is that of the i-th link at a provider.
func Address(at string, i int) events.Address {
	return events.Address{Tenant: "default", Provider: at, Link: fmt.Sprintf("L%07d", i)}
}

// Counts takes the provider's counts of this cell.
func (c *Cell) Counts(ctx context.Context) (provider.Counts, error) {
	return c.Stand.Provider.Take(ctx, c.Name)
}

// StartWorker starts a worker program on the cell.
func (c *Cell) StartWorker() (*Process, error) {
	return Start(Command{
		Name: "regrant", Path: c.Stand.Worker, Args: []string{"run", "--config", c.ConfigFile()}, Dir: c.dir, Ready: "worker ready",
	})
}
