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

// guardedConn refuses writes that the attempt no longer permits.
type guardedConn struct {
	net.Conn
	attempt *attempt
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
	context.AfterFunc(a.ctx, func() { _ = conn.Close() })
	return &guardedConn{Conn: conn, attempt: a}, nil
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
