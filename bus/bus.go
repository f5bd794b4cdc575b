package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
)

// Config says where the server is and who we are.
type Config struct {
	// URL of the server, or several separated by commas. Empty means nats.DefaultURL.
	URL string
	// Creds is the path of a credentials file. Empty: none.
	Creds string
	// Prefix of all subjects and names. Empty means events.DefaultPrefix.
	Prefix string
	// Name identifies this process in dead letters and in the server's list of
	// connections, such as the worker's id.
	Name string
	// Role chooses the prefix of reply subjects (Names.InboxPrefix), which the
	// role's permissions must allow. Empty means "worker".
	Role string
	// API is the prefix of JetStream's subjects where the streams are another account's,
	// and imported under another name. Empty means the connection's own, "$JS.API".
	API string
	// Budget holds the protocol's times. Zero means that of budget.Default.
	Budget budget.Budget
	// ReconnectWait is the pause between attempts to reach a lost server. Zero means 500 ms.
	ReconnectWait time.Duration
	// Now is the clock by which a message's age is judged. nil means time.Now.
	Now func() time.Time
	// Log receives what happens behind the caller's back. nil discards it.
	Log *slog.Logger
}

// ErrMisconfigured marks errors of the configuration: no waiting mends them.
var ErrMisconfigured = errors.New("NATS is misconfigured")

// Bus is a connection to one cell. It is safe for concurrent use.
type Bus struct {
	cfg   Config
	names Names
	log   *slog.Logger
	conn  *nats.Conn
	js    jetstream.JetStream
	// closed ends when the connection is closed for good.
	closed chan struct{}

	refusals *refusals

	// handles caches jetstream.Stream by name.
	handles sync.Map

	mu sync.Mutex
	// tried is why the last attempt to connect failed.
	tried error
	// back is closed, and replaced, at every reconnect.
	back chan struct{}
	// troubles holds why a running consumer cannot pull, by durable name.
	troubles map[string]error
}

// Connect reaches the server, retrying until ctx ends: a worker and its server
// may start together. Afterwards a lost connection is retried for ever.
func Connect(ctx context.Context, cfg Config) (*Bus, error) {
	b := newBus(cfg)
	if err := b.names.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	conn, err := nats.Connect(b.cfg.URL, b.options()...)
	if err != nil {
		return nil, fmt.Errorf("%w: connection to %s: %w: check nats.url and nats.creds", ErrMisconfigured, redact(b.cfg.URL), withoutURL(err))
	}
	b.conn = conn
	if err := b.connected(ctx); err != nil {
		b.abandon()
		return nil, err
	}
	if b.js, err = jetstream.NewWithAPIPrefix(conn, b.cfg.API); err != nil {
		b.abandon()
		return nil, err
	}
	return b, nil
}

func newBus(cfg Config) *Bus {
	cfg.URL = cmp.Or(cfg.URL, nats.DefaultURL)
	cfg.Role = cmp.Or(cfg.Role, "worker")
	cfg.Name = cmp.Or(cfg.Name, cfg.Role)
	cfg.API = cmp.Or(cfg.API, jetstream.DefaultAPIPrefix)
	cfg.ReconnectWait = cmp.Or(cfg.ReconnectWait, 500*time.Millisecond)
	if cfg.Budget == (budget.Budget{}) {
		cfg.Budget = budget.Of(budget.Default)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Bus{
		cfg: cfg, log: cfg.Log, names: Names{Prefix: cfg.Prefix},
		closed: make(chan struct{}), back: make(chan struct{}), troubles: map[string]error{},
		refusals: newRefusals(),
	}
}

// connected waits for the first connection. The connection's own retries run meanwhile.
func (b *Bus) connected(ctx context.Context) error {
	status := b.conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer b.conn.RemoveStatusListener(status)
	if !b.conn.IsConnected() { // said at once: whoever waits for ever says nothing else
		b.log.Warn("NATS is not reached yet; trying on", "url", redact(b.cfg.URL))
	}
	for !b.conn.IsConnected() {
		select {
		case <-status:
		case <-ctx.Done():
		}
		if b.conn.IsClosed() || ctx.Err() != nil {
			return fmt.Errorf("NATS at %s not reached: %w: start the server, or check nats.url and nats.creds", redact(b.cfg.URL), b.unreached(context.Cause(ctx)))
		}
	}
	return nil
}

// unreached joins the end of the wait with what stood in its way.
func (b *Bus) unreached(ended error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tried == nil {
		return errors.Join(ended, b.conn.LastError())
	}
	return fmt.Errorf("%w (%w)", ended, b.tried)
}

// abandon closes a connection without draining it.
func (b *Bus) abandon() {
	b.conn.Close()
	<-b.closed
}

// Close drains the connection: what was published is sent, subscriptions end
// after their last message. Stop every Consumer first. When ctx ends, the rest
// is cut off.
func (b *Bus) Close(ctx context.Context) error {
	if err := b.conn.Drain(); err != nil {
		b.conn.Close() // not connected: nothing can be drained
	}
	select {
	case <-b.closed:
		return nil
	case <-ctx.Done():
		b.abandon()
		return fmt.Errorf("drain the NATS connection: %w", context.Cause(ctx))
	}
}

// Conn is the connection, for what is not JetStream.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// JetStream is the client under the key-value store.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// Names of the cell's streams, buckets, consumers and subjects.
func (b *Bus) Names() Names { return b.names }

// Now is the clock that stamps the links' records: that of the server which
// decides their writes. It is the only clock that all workers share. In a cluster
// another server may decide them a moment later: then it jumps by as much as the
// servers' clocks differ.
func (b *Bus) Now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	stream, err := b.js.Stream(ctx, BucketStream(b.names.Links()))
	if err != nil {
		return time.Time{}, fmt.Errorf("read the server's clock: %w", b.explain(err))
	}
	return stream.CachedInfo().TimeStamp, nil
}

// withoutURL takes the URL out of an error of url.Parse, which quotes it whole.
func withoutURL(err error) error {
	var bad *url.Error
	if errors.As(err, &bad) {
		return errors.New("the URL cannot be read")
	}
	return err
}

// redact removes passwords and tokens from a list of URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, each := range list {
		u, err := url.Parse(strings.TrimSpace(each))
		if err != nil {
			list[i] = "(unreadable URL)"
			continue
		}
		if u.User != nil {
			u.User = url.User("redacted")
		}
		list[i] = u.String()
	}
	return strings.Join(list, ",")
}
