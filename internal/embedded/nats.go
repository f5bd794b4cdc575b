package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyPoll is how long one wait for the listener lasts before the context and
// the server's fatal errors are looked at again.
const readyPoll = 20 * time.Millisecond

// NATSConfig says where the server listens and what it promises.
type NATSConfig struct {
	// Host to listen on; "" means 127.0.0.1. The server asks for no credentials.
	Host string
	// Port to listen on; -1 picks a free one, 0 is NATS's own default, 4222.
	Port int
	// StoreDir holds the streams and buckets. Required: the server's own
	// default lies in the temporary directory and is lost with it. One server
	// per directory; a second is refused while the first lives.
	StoreDir string
	// SyncAlways flushes every write to disk before it is confirmed. Without it
	// up to two minutes of confirmed writes are lost with the power.
	SyncAlways bool
	// Log receives what the server says: notices as debug, the rest at its own
	// level. nil discards it.
	Log *slog.Logger
}

// DurableName is what a server with SyncAlways calls itself, so that commands of other
// processes know it for ours.
const DurableName = "regrant-embedded-durable"

// NATS is a running server. Its methods are safe for concurrent use.
type NATS struct {
	srv   *server.Server
	store *dirLock
}

// StartNATS starts a server and returns once it accepts connections. ctx bounds
// the start only, in which a large store is read back; Close ends the server.
func StartNATS(ctx context.Context, cfg NATSConfig) (*NATS, error) {
	if cfg.StoreDir == "" {
		return nil, errors.New("embedded NATS: no store directory given: set one, its default would be lost with the temporary directory")
	}
	store, err := lockDir(cfg.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	srv, err := start(ctx, cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded NATS: %w", err), store.unlock())
	}
	return &NATS{srv: srv, store: store}, nil
}

func start(ctx context.Context, cfg NATSConfig) (*server.Server, error) {
	srv, err := server.NewServer(cfg.options())
	if err != nil {
		return nil, err
	}
	log := newServerLog(cfg.Log)
	srv.SetLogger(log, false, false)
	srv.Start()
	if err := ready(ctx, srv, log.fatal); err != nil {
		stop(srv)
		return nil, err
	}
	return srv, nil
}

func (c NATSConfig) options() *server.Options {
	host := c.Host
	if host == "" {
		host = "127.0.0.1"
	}
	name := ""
	if c.SyncAlways {
		name = DurableName
	}
	return &server.Options{
		ServerName: name,
		Host:       host,
		Port:       c.Port,
		JetStream:  true,
		StoreDir:   c.StoreDir,
		SyncAlways: c.SyncAlways,
		NoSigs:     true, // signals belong to the command that embeds the server
	}
}

// ready waits for the listener. The server reports a port in use or a damaged
// store only as a fatal log entry, which normally ends its process.
func ready(ctx context.Context, srv *server.Server, fatal <-chan error) error {
	for {
		select {
		case err := <-fatal:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", context.Cause(ctx))
		default:
		}
		if srv.ReadyForConnections(readyPoll) && srv.JetStreamEnabled() {
			return nil
		}
	}
}

// URL is what clients connect to.
func (n *NATS) URL() string { return n.srv.ClientURL() }

// SyncAlways reports the setting as the server took it: clients without the
// system account cannot ask for it, and durability checks want to know.
func (n *NATS) SyncAlways() bool {
	js := n.srv.JetStreamConfig()
	return js != nil && js.SyncAlways
}

// Close stops the server and waits until its files are flushed and closed. It
// may be called more than once.
func (n *NATS) Close() error {
	stop(n.srv)
	return n.store.unlock()
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}
