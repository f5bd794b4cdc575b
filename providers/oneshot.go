package providers

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

var (
	errHeaders = errors.New("the reply's headers are too long")
	errInterim = errors.New("too many interim replies")
)

const (
	// maxInterim bounds the replies of 1xx before the one that counts.
	maxInterim = 5
	// wireBuffer holds a token request whole, so that it leaves in one piece.
	wireBuffer = 4 << 10
)

// oneShot speaks HTTP/1.1 on a fresh connection per request. A kept connection may
// be dead without our knowing, which makes every lost one ambiguous; HTTP/2 has rules
// of its own for sending a request again. Nothing is sent twice here because there is
// no code that could: http.Transport can be told so too, and keeps for each connection
// two goroutines and a pool that one request has no use for, which was a third of
// a refresh's cost. No proxy is taken from the environment: it would resolve names for us.
type oneShot struct {
	dial dialFunc
	tls  *tls.Config
	// patience bounds the handshake; zero: only the request's context does.
	patience time.Duration
}

// RoundTrip implements http.RoundTripper. The connection ends with the body.
func (o *oneShot) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	conn, err := o.connect(req)
	if err != nil {
		return nil, err
	}
	res, err := converse(conn, req)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return res, nil
}

func (o *oneShot) connect(req *http.Request) (net.Conn, error) {
	port := map[bool]string{true: "443", false: "80"}[req.URL.Scheme == "https"]
	host := req.URL.Hostname()
	conn, err := o.dial(req.Context(), "tcp", net.JoinHostPort(host, cmp.Or(req.URL.Port(), port)))
	if err != nil || req.URL.Scheme != "https" {
		return conn, err
	}
	secured, err := o.secure(req.Context(), conn, host)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

func (o *oneShot) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	if o.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.patience)
		defer cancel()
	}
	c := o.tls.Clone()
	c.ServerName = cmp.Or(c.ServerName, host)
	secured := tls.Client(conn, c)
	return secured, secured.HandshakeContext(ctx)
}

// converse sends the request and reads the reply's head.
func converse(conn net.Conn, req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: conn})
	}
	err := send(conn, req)
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	if err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxHeaders}
	from := bufio.NewReaderSize(limited, wireBuffer)
	if _, err := from.Peek(1); err == nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	res, err := receive(from, req)
	if err != nil && limited.N <= 0 {
		err = errHeaders
	}
	if err != nil {
		return nil, err
	}
	limited.N = math.MaxInt64
	res.Body = &lastBody{ReadCloser: res.Body, conn: conn}
	return res, nil
}

func send(conn net.Conn, req *http.Request) error {
	last := *req
	last.Close = true
	to := bufio.NewWriterSize(conn, wireBuffer)
	if err := last.Write(to); err != nil {
		return err
	}
	return to.Flush()
}

// receive reads replies up to the one that counts.
func receive(from *bufio.Reader, req *http.Request) (*http.Response, error) {
	for range maxInterim + 1 {
		res, err := http.ReadResponse(from, req)
		if err != nil || res.StatusCode < 100 || res.StatusCode > 199 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
	return nil, errInterim
}

// lastBody closes the connection, for nothing comes after it.
type lastBody struct {
	io.ReadCloser
	conn net.Conn
}

func (b *lastBody) Close() error { return b.conn.Close() }
