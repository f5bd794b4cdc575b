package doctor

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
)

// natsFacts are about NATS as a client of the cell sees it, and about its own
// settings as far as they could be read.
type natsFacts struct {
	// Err is why it was not reached; nothing else is known then.
	Err error
	// Server is the name, Version the release, of the server that answered.
	Server, Version string
	// Cluster is the name of its cluster; empty: it stands alone.
	Cluster    string
	MaxPayload int64
	// Account is nil where AccountErr says why, or where these credentials may not see
	// it: a worker's need not.
	Account    *jetstream.AccountInfo
	AccountErr error
	Streams    []bus.PlacedStream
	Consumers  []bus.PlacedConsumer
	Names      bus.Names
	Sync       syncFacts
	Clock      clockFacts
	Rights     []right
}

// natsConn is a connection as the role that is examined makes it.
type natsConn struct {
	bus      *bus.Bus
	patience time.Duration
}

func (n *natsConn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), defaultPatience)
	defer cancel()
	_ = n.bus.Close(ctx) // nothing of it is wanted any more
}

func (n *natsConn) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, n.patience)
}

// lookNATS connects and reads. The caller closes the connection, if there is one.
func lookNATS(ctx context.Context, o Options) (f natsFacts, n *natsConn) {
	reach, cancel := ctx, context.CancelFunc(func() {})
	if o.Patience > 0 {
		reach, cancel = context.WithTimeout(ctx, o.Patience)
	}
	defer cancel()
	cfg := bus.Config{URL: o.url(), Creds: o.Config.NATS.Creds, Prefix: o.Config.NATS.Prefix, Role: o.Role, Name: "doctor", Budget: o.Config.Budget(), Log: o.Log}
	b, err := bus.Connect(reach, cfg)
	if err != nil {
		return natsFacts{Err: err}, nil
	}
	n = &natsConn{bus: b, patience: max(o.Patience, defaultPatience)}
	conn := b.Conn()
	f = natsFacts{
		Server: conn.ConnectedServerName(), Version: conn.ConnectedServerVersion(), Cluster: conn.ConnectedClusterName(),
		MaxPayload: conn.MaxPayload(), Names: b.Names(),
	}
	n.read(ctx, o, &f)
	f.Sync = lookSync(ctx, o, f)
	return f, n
}

// url is the cell's server: without one configured, that which `worker run` brings.
func (o Options) url() string {
	if o.Config.NATS.URL == "" {
		return "nats://" + o.Config.NATS.Embedded
	}
	return o.Config.NATS.URL
}

func (n *natsConn) read(ctx context.Context, o Options, f *natsFacts) {
	ctx, cancel := n.limited(ctx)
	defer cancel()
	if hidden, _ := n.denied(ctx, right{Subject: "$JS.API.INFO"}); !hidden {
		if f.Account, f.AccountErr = n.bus.JetStream().AccountInfo(ctx); f.AccountErr != nil {
			return
		}
	}
	f.Streams, f.Consumers = n.bus.Inspect(ctx, o.plan())
	f.Clock = lookClock(o.Now, func() (time.Time, error) { return n.bus.Now(ctx) })
}
