package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// Client is a service's connection to one cell. It is safe for concurrent use.
type Client struct {
	cfg      Config
	bus      *bus.Bus
	subjects events.Subjects
	table    *table
	feed     *feed

	// ctx is that of everything done behind the callers; Close ends it.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup
}

// New connects, retrying until ctx ends; afterwards a lost connection is retried
// for ever. Close the Client when done.
func New(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b, err := bus.Connect(ctx, bus.Config{
		URL: cfg.URL, Creds: cfg.Creds, Prefix: cfg.Prefix, Name: cfg.Name, Role: cfg.Role, API: cfg.JetStreamAPI, Now: cfg.Now, Log: cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c := &Client{cfg: cfg, bus: b, subjects: b.Names().Subjects(), table: newTable(cfg.Links)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background()) // what is done later belongs to no span of ctx
	c.feed = newFeed(c)
	c.tasks.Go(c.feed.run)
	return c, nil
}

// Close ends what waits, and the connection. Callers that wait get ErrClosed; calls
// of Subscribe and of ServeCredentials must have ended before. When ctx ends, the
// rest of what was to be sent is cut off.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(ErrClosed)
	c.tasks.Wait()
	return c.bus.Close(ctx)
}

// spawn runs a task that Close ends and waits for; false once closed.
func (c *Client) spawn(task func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.tasks.Go(task)
	return true
}

// Link is the handle of one of the tenant's links. Keep it: a handle that served
// once serves without any lock. It is made without asking anybody whether there is
// such a link.
func (c *Client) Link(provider, link string) *Link {
	return &Link{client: c, address: events.Address{Tenant: c.cfg.Tenant, Provider: provider, Link: link}}
}
