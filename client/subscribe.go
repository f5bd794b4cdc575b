package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// SubscribeConfig says which events, from where, and how patiently.
type SubscribeConfig struct {
	// Name of the subscription. All processes that use it share its events; it goes on
	// where they left off. [A-Za-z0-9_-]{1,64}, required.
	Name string
	// Provider and Link select; empty means any of the tenant.
	Provider, Link string
	// Since and FromSequence say where a subscription begins that is new: with what was
	// stored then or later, or with that event of the stream (1: with the oldest that is
	// kept). Neither: with what comes from now on. A subscription that exists goes on
	// where it was.
	Since        time.Time
	FromSequence uint64

	// Slots is how many links' events are handled at once. Zero means 16.
	Slots int
	// Pending bounds the events that all processes of the subscription have at once,
	// those included that wait to be tried again. Zero means 1,000.
	Pending int
	// MaxAttempts is after how many deliveries a failing event becomes a dead letter.
	// Zero means 20.
	MaxAttempts int
	// Backoff is the pause after a failed attempt, from 1. nil means a second, doubled
	// up to five minutes.
	Backoff func(attempt int) time.Duration
	// DeadLetter takes an event that is given up, with the last error. It is tried again
	// until it succeeds. nil stores a reference, without the event's data, in the
	// cell's dead letters.
	DeadLetter func(ctx context.Context, d Delivery, cause error) error
	// Seen remembers what was handled. nil means SeenInMemory(10,000).
	Seen Seen
	// AckWait is how long after the end of a process its events come to another. Zero
	// means 30 s.
	AckWait time.Duration
	// Grace is for how long handlers may go on once the subscription's context has
	// ended. Zero means 10 s.
	Grace time.Duration
}

var subscriptionForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (c SubscribeConfig) defaults() SubscribeConfig {
	c.Slots = cmp.Or(c.Slots, 16)
	c.Pending = cmp.Or(c.Pending, 1000)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, 20)
	c.AckWait = cmp.Or(c.AckWait, 30*time.Second)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	if c.Backoff == nil {
		c.Backoff = doubling
	}
	if c.Seen == nil {
		c.Seen = SeenInMemory(10_000)
	}
	return c
}

// doubling is the Backoff of the zero SubscribeConfig.
func doubling(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt-1, 0), 10), 5*time.Minute)
}

func (c SubscribeConfig) validate() error {
	switch {
	case !subscriptionForm.MatchString(c.Name):
		return fmt.Errorf("subscribe: Name %q does not match %s", c.Name, subscriptionForm)
	case c.Provider != "" && !events.ValidProvider(c.Provider):
		return fmt.Errorf("subscribe: Provider %q is no name of a provider", c.Provider)
	case c.Link != "" && c.Provider == "":
		return errors.New("subscribe: a Link needs its Provider")
	case c.Link != "" && events.Address{Tenant: "any", Provider: c.Provider, Link: c.Link}.Validate() != nil:
		return fmt.Errorf("subscribe: Link %q is no id of a link", c.Link)
	case !c.Since.IsZero() && c.FromSequence != 0:
		return errors.New("subscribe: Since and FromSequence exclude each other")
	case c.Slots < 1, c.Pending < 1, c.MaxAttempts < 1, c.AckWait < 0, c.Grace < 0:
		return errors.New("subscribe: Slots, Pending, MaxAttempts and the times must not be negative")
	}
	return nil
}

// Subscribe hands events to the route for their type until ctx ends, then lets the
// handlers at work finish, and returns nil. It returns an error where it cannot begin,
// and where the subscription was removed meanwhile. While NATS is away it waits.
//
// An event comes at least once, and again until its handler succeeds or it is a dead
// letter. Seen drops what was handled before. Within one process the events of a link
// come one at a time and in order; what failed comes again behind later ones and is
// then marked Late. Processes that share a subscription keep no order between them.
//
// A handler's context has the event's trace (Config.Tracing); it ends Grace after ctx.
func (c *Client) Subscribe(ctx context.Context, cfg SubscribeConfig, routes ...Route) error {
	s, err := c.subscription(cfg, routes)
	if err != nil {
		return err
	}
	consumer, err := s.bind(ctx)
	if err != nil {
		return fmt.Errorf("subscribe %s: %w", cfg.Name, err)
	}
	return s.run(ctx, consumer)
}

// Unsubscribe removes a subscription: what it has not handled yet, nobody will. No
// process should be using it. One that does not exist is removed already.
func (c *Client) Unsubscribe(ctx context.Context, name string) error {
	if !subscriptionForm.MatchString(name) {
		return fmt.Errorf("unsubscribe: %q does not match %s", name, subscriptionForm)
	}
	err := c.bus.JetStream().DeleteConsumer(ctx, c.bus.Names().Out(), c.durable(name))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("unsubscribe %s: %w", name, err)
	}
	return nil
}

// durable is the consumer behind a subscription.
func (c *Client) durable(name string) string {
	return c.bus.Names().SubscriptionConsumer(c.cfg.Tenant, name)
}

// remembered bounds the links whose last event is known, to tell late ones.
const remembered = 10_000

// subscription is one running call of Subscribe.
type subscription struct {
	client *Client
	cfg    SubscribeConfig
	routes map[events.Name]Route
	log    *slog.Logger

	turns *turns
	held  *held
	// last is the number of the last event that was handled, by link.
	last *lru.Cache[events.Address, uint64]
	// ctx is that of the handlers.
	ctx context.Context
}

func (c *Client) subscription(cfg SubscribeConfig, routes []Route) (*subscription, error) {
	cfg = cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &subscription{
		client: c, cfg: cfg, routes: map[events.Name]Route{}, turns: newTurns(cfg.Slots), held: newHeld(),
		log: c.cfg.Log.With("subscription", cfg.Name),
	}
	for _, r := range routes {
		if _, twice := s.routes[r.name]; twice || r.do == nil {
			return nil, fmt.Errorf("subscribe: no handler, or two, for %q", cmp.Or(string(r.name), "any"))
		}
		if r.name != "" && r.name.Input() {
			return nil, fmt.Errorf("subscribe: %s is not sent to subscribers", r.name)
		}
		s.routes[r.name] = r
	}
	if len(routes) == 0 {
		return nil, errors.New("subscribe: no handler is given")
	}
	s.last, _ = lru.New[events.Address, uint64](remembered) // fails for a size below 1 only
	return s, nil
}

// filters are the subjects of the events that there is a route for.
func (s *subscription) filters() []string {
	which := events.Address{Tenant: s.client.cfg.Tenant, Provider: s.cfg.Provider, Link: s.cfg.Link}
	if _, any := s.routes[""]; any {
		return []string{s.client.subjects.OutFilter(which, "")}
	}
	var all []string
	for name := range s.routes {
		all = append(all, s.client.subjects.OutFilter(which, name))
	}
	slices.Sort(all)
	return all
}
