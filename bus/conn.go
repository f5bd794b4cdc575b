package bus

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// pingFloor keeps short test budgets from ending a connection that a busy
// machine merely serves slowly.
const pingFloor = 5 * time.Second

func (b *Bus) options() []nats.Option {
	opts := []nats.Option{
		nats.Name("regrant " + b.cfg.Name),
		nats.CustomInboxPrefix(b.names.InboxPrefix(b.cfg.Role)),
		// Without this, a publish that timed out while the connection was away is
		// sent on reconnect, long after its caller decided otherwise.
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		// A fleet whose credentials are being replaced is refused for a while;
		// by default the second refusal would close the connection for good.
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(b.cfg.ReconnectWait),
		nats.PingInterval(max(b.cfg.Budget.AckWait, pingFloor)),
		nats.ErrorHandler(b.asyncError),
		nats.DisconnectErrHandler(b.disconnected),
		nats.ReconnectHandler(b.reconnected),
		nats.ReconnectErrHandler(b.notConnected),
		nats.ConnectHandler(b.reconnected),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	if b.cfg.Creds != "" {
		opts = append(opts, nats.UserCredentials(b.cfg.Creds))
	}
	return opts
}

// asyncError takes what no call returns: a publish that is not permitted, for one,
// looks to its caller like a server that does not answer.
func (b *Bus) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	b.refusals.heard(err)
	if sub == nil {
		b.log.Error("NATS reports an error", "error", err)
		return
	}
	b.log.Error("NATS reports an error", "error", err, "subscription", sub.Subject)
}

func (b *Bus) disconnected(conn *nats.Conn, err error) {
	if conn.IsClosed() || conn.IsDraining() {
		return
	}
	b.log.Warn("NATS connection lost", "error", err)
}

func (b *Bus) notConnected(_ *nats.Conn, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = withoutURL(err)
}

func (b *Bus) reconnected(*nats.Conn) {
	b.log.Info("NATS connected")
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.back)
	b.back = make(chan struct{})
}

// comeback is closed when the connection is next made anew. Whatever the server
// remembered of this client's requests is then gone.
func (b *Bus) comeback() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.back
}

// Reconnects is how often the connection was lost and made again.
func (b *Bus) Reconnects() uint64 { return b.conn.Stats().Reconnects }

// Ready reports why this process cannot do its work now; nil means it can. It
// asks nobody: it is called often.
func (b *Bus) Ready() error {
	if !b.conn.IsConnected() {
		err := errors.New("not connected")
		if last := b.conn.LastError(); last != nil {
			err = last
		}
		return fmt.Errorf("NATS at %s: %w", redact(b.cfg.URL), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for durable, err := range b.troubles {
		return fmt.Errorf("consumer %s: %w", durable, err)
	}
	return nil
}

// trouble notes why a consumer cannot pull, or with nil that it can.
func (b *Bus) trouble(durable string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.troubles, durable)
		return
	}
	b.troubles[durable] = err
}
