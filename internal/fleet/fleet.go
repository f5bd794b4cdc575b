// Package fleet sets up a whole cell around a simulated provider: links to
// refresh, reporters that report, and the provider's ledger to judge by. The
// demo shows it to people; the tests use it to break promises.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// Options describe a cell.
type Options struct {
	// Dir holds the ledger, keys, spool and secret files.
	Dir               string
	NATSURL, RedisURL string
	// Prefix of the cell; left out: regrant.
	Prefix  string
	LockTTL time.Duration
	// Replicas of streams and buckets; left out: 1.
	Replicas int
	// Providers by name: how the simulator behaves, and what Regrant believes of it.
	Providers map[string]Provider
	// Simulator is one that runs elsewhere and has all Providers; nil: one is started in
	// this process.
	Simulator Simulator
	// Log may be nil.
	Log *slog.Logger
}

// Simulator is what a cell asks of its provider; *providertest.Server is one.
type Simulator interface {
	Endpoints(provider string) providertest.Endpoints
	Issue(provider, sub string, options ...providertest.GrantOption) providertest.Grant
}

// Provider is one simulated provider and the profile that Regrant has of it.
type Provider struct {
	Behaviour providertest.Behaviour
	// Profile is laid over with the simulator's addresses and credentials.
	Profile providers.Profile
}

// Cell is a provisioned cell. Workers are started beside it, in this process or
// in others.
type Cell struct {
	Config config.Config
	// Sim is nil where the Simulator runs elsewhere.
	Sim    *providertest.Server
	Keys   *seal.Keys
	Bus    *bus.Bus
	Store  *kvstore.Store
	log    *slog.Logger
	grants Simulator
}

// Link is an imported link and the grant that the simulator knows it by.
type Link struct {
	events.Address
	providertest.Grant
}

// New starts the simulator, provisions the cell and opens its store.
func New(ctx context.Context, o Options) (c *Cell, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c = &Cell{log: o.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
		}
	}()
	if c.grants = o.Simulator; c.grants == nil {
		if err := c.simulate(o); err != nil {
			return c, err
		}
	}
	if c.Config, err = c.configure(o); err != nil {
		return c, err
	}
	if c.Keys, err = seal.Generate(); err != nil {
		return c, err
	}
	if err := c.Keys.Save(c.Config.Keys.File); err != nil {
		return c, err
	}
	if c.Bus, err = c.Connect(ctx, "operator"); err != nil {
		return c, err
	}
	if _, err := c.Bus.Provision(ctx, worker.Plan(c.Config)); err != nil {
		return c, err
	}
	c.Store, err = worker.Store(ctx, c.Bus)
	return c, err
}

// simulate starts the simulator in this process.
func (c *Cell) simulate(o Options) (err error) {
	ledger := filepath.Join(o.Dir, "ledger")
	if err := os.MkdirAll(ledger, 0o700); err != nil {
		return err
	}
	behaviours := map[string]providertest.Behaviour{}
	for name, p := range o.Providers {
		behaviours[name] = p.Behaviour
	}
	if c.Sim, err = providertest.Start(providertest.Config{Dir: ledger, Providers: behaviours, Log: o.Log}); err != nil {
		return err
	}
	c.grants = c.Sim
	return nil
}

func (c *Cell) configure(o Options) (config.Config, error) {
	cfg := config.Config{
		NATS: config.NATS{URL: o.NATSURL, Prefix: o.Prefix, Replicas: o.Replicas}, Redis: config.Redis{URL: o.RedisURL},
		DataDir: filepath.Join(o.Dir, "data"), Keys: config.Keys{File: filepath.Join(o.Dir, "keys.json")},
		LockTTL: o.LockTTL, Dir: o.Dir, Providers: map[string]providers.Profile{},
	}
	for name, p := range o.Providers {
		profile, err := c.profile(o.Dir, name, p.Profile)
		if err != nil {
			return cfg, err
		}
		cfg.Providers[name] = profile
	}
	cfg = cfg.Defaults()
	return cfg, cfg.Validate()
}

// profile lays the simulator's addresses and credentials over what is believed of it.
func (c *Cell) profile(dir, name string, p providers.Profile) (providers.Profile, error) {
	at := c.grants.Endpoints(name)
	p.Issuer, p.TokenURL, p.AuthorizeURL, p.RevocationURL, p.ClientID = at.Issuer, at.TokenURL, at.AuthorizeURL, at.RevocationURL, at.ClientID
	if len(p.IDTokenAlgs) > 0 {
		p.JWKSURL = at.JWKSURL
	}
	p.AuthStyle, p.CodeAuthStyle, p.AllowLoopback = providers.AuthStyle(at.AuthStyle), providers.AuthStyle(at.CodeAuthStyle), true
	p.ClientSecretFile = filepath.Join(dir, name+".secret")
	return p, os.WriteFile(p.ClientSecretFile, []byte(at.ClientSecret), 0o600)
}

// Connect opens another connection to the cell's NATS.
func (c *Cell) Connect(ctx context.Context, role string) (*bus.Bus, error) {
	return bus.Connect(ctx, bus.Config{
		URL: c.Config.NATS.URL, Prefix: c.Config.NATS.Prefix, Role: role, Name: role, Budget: c.Config.Budget(), Log: c.log,
	})
}

// NewLink has the simulator issue a grant of a subject of its own, and names a link for it.
func NewLink(sim Simulator, provider string) Link {
	sub := fmt.Sprintf("%s-sub-%s", provider, ulid.Make())
	return Link{Address: events.Address{Tenant: "default", Provider: provider, Link: ulid.Make().String()}, Grant: sim.Issue(provider, sub)}
}

// Import makes n links at a provider, each a grant of its own subject.
func (c *Cell) Import(ctx context.Context, provider string, n int) ([]Link, error) {
	im := worker.Importer(c.Config, c.Bus, c.Store, c.Keys, time.Now)
	made := make([]Link, 0, n)
	for i := range n {
		l := NewLink(c.grants, provider)
		err := im.Import(ctx, handlers.ImportLine{
			Address: l.Address, User: fmt.Sprintf("user-%d", i), Nickname: fmt.Sprintf("login %d", i), Sub: l.Sub,
			Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ID: secret.New(l.IDToken), ExpiresAt: l.ExpiresAt,
		})
		if err != nil {
			return made, err
		}
		made = append(made, l)
	}
	return made, nil
}

// Report is one report as a reporter would publish it.
func (c *Cell) Report(d events.TokenExpired) (events.Message, error) {
	e, err := events.NewInput("//fleet/reporter", ulid.Make().String(), time.Now(), events.Trace{}, d)
	if err != nil {
		return events.Message{}, err
	}
	return c.Bus.Names().Subjects().InputMessage(e)
}

// Start starts a worker of the cell in this process.
func (c *Cell) Start(ctx context.Context, id string, change func(*worker.Options)) (*worker.Worker, error) {
	o := worker.Options{Config: c.Config, Keys: c.Keys, ID: id, Log: c.log}
	if change != nil {
		change(&o)
	}
	return worker.Start(ctx, o)
}

// Link reads a link where writes are decided.
func (c *Cell) Link(ctx context.Context, a events.Address) (links.Link, error) {
	s, err := c.Store.Latest(ctx, a)
	return s.Link, err
}

// Close ends the cell's own parts.
func (c *Cell) Close(ctx context.Context) (err error) {
	if c.Bus != nil {
		err = c.Bus.Close(ctx)
	}
	if c.Sim != nil {
		err = errors.Join(err, c.Sim.Close())
	}
	return err
}
