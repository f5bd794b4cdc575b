package providers

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	maxBody    = 1 << 20
	maxHeaders = 64 << 10
)

// guardedConn refuses writes that the attempt no longer permits. Closed without an
// answer, by us or by the end of this process, it is reset: what the provider's host has
// not got by then it never gets. A connection that is closed in good order goes on
// sending what was written to it, for minutes where the network is away: long enough
// for somebody to present the same again, and to go on with what came of it.
type guardedConn struct {
	net.Conn
	attempt *attempt
}

// lingers is what a TCP connection has.
type lingers interface{ SetLinger(seconds int) error }

func (c *guardedConn) linger(seconds int) {
	if tcp, ok := c.Conn.(lingers); ok {
		_ = tcp.SetLinger(seconds) // closed already, then
	}
}

// Close takes leave in good order of a provider that has answered.
func (c *guardedConn) Close() error {
	if c.attempt.reach() >= ReachFirstByte {
		c.linger(-1)
	}
	return c.Conn.Close()
}

func (c *guardedConn) Write(b []byte) (int, error) {
	if err := c.attempt.admit(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.attempt.took(n)
	return n, err
}

type attemptKey struct{}

// dialAttempt opens the one connection of the attempt that travels in ctx. The
// context given by net/http outlives a cancelled request, so the attempt's own is
// used, and the socket closes with it: nothing of an attempt outlives it.
func (p *Provider) dialAttempt(ctx context.Context, network, address string) (net.Conn, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, errSecond
	}
	if err := a.once(&a.dialled); err != nil {
		return nil, err
	}
	conn, err := p.dial(a.ctx, network, address)
	if err != nil {
		return nil, err
	}
	guarded := &guardedConn{Conn: conn, attempt: a}
	guarded.linger(0)
	context.AfterFunc(a.ctx, func() { _ = conn.Close() })
	return guarded, nil
}

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport is for what may be asked again: it speaks HTTP/1.1 on a fresh
// connection per request, like oneShot and for its reasons; besides, net/http prints
// unexpected bytes of an idle connection to the standard log.
func newTransport(dial dialFunc, tc *tls.Config, patience time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        tc,
		TLSHandshakeTimeout:    patience,
		Protocols:              protocols,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
	}
}

// stay keeps an http.Client from following redirects: a 307 would carry the
// refresh token and the client secret to wherever it points.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
