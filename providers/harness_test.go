package providers

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	canary       = "canary-refresh-0f9a"
	secretCanary = "canary-secret-77c1-long-enough-for-hmac"
	goodBody     = `{"access_token":"at-1","refresh_token":"rt-2","token_type":"Bearer","expires_in":3600}`
)

// secretFile writes a client secret and returns its path.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// profileAt is the generic profile at a loopback address.
func profileAt(t *testing.T, url string) Profile {
	t.Helper()
	p, err := Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.TokenURL, p.AllowLoopback = url+"/token", true
	p.ClientID, p.AuthStyle = "client-1", AuthBasic
	p.ClientSecretFile = secretFile(t, secretCanary)
	return p
}

func open(t *testing.T, p Profile, o Options) *Provider {
	t.Helper()
	provider, err := New("op", p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	return provider
}

func refresh(t *testing.T, p *Provider) Outcome {
	t.Helper()
	return p.Refresh(t.Context(), Request{RefreshToken: secret.New(canary)})
}

// tokenServer answers every request with one handler and counts requests.
type tokenServer struct {
	*httptest.Server
	posts atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *tokenServer {
	t.Helper()
	s := &tokenServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.posts.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// rawServer speaks TCP: it counts connections and whole requests, and leaves the
// answer, or the lack of one, to a script.
type rawServer struct {
	listener     net.Listener
	conns, posts atomic.Int64
	wg           sync.WaitGroup
}

func serveRaw(t *testing.T, script func(net.Conn)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{listener: l}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.wg.Go(func() { s.one(c, script) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); s.wg.Wait() })
	return s
}

func (s *rawServer) one(c net.Conn, script func(net.Conn)) {
	defer func() { _ = c.Close() }()
	if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		if _, err := io.Copy(io.Discard, req.Body); err == nil {
			s.posts.Add(1)
			script(c)
		}
	}
}

func (s *rawServer) url() string { return "http://" + s.listener.Addr().String() }

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// reset closes with RST.
func reset(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

func whole(status int, contentType, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status, contentType, len(body), body)
}

// stepClock is a clock that stands until it is moved. It starts at a real,
// monotonic now, because deadlines are turned into real timers.
type stepClock struct {
	mu sync.Mutex
	t  time.Time
}

func newStepClock() *stepClock { return &stepClock{t: time.Now()} }

func (c *stepClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *stepClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// captured is a logger that remembers.
func captured() (*slog.Logger, *strings.Builder) {
	var b strings.Builder
	return slog.New(slog.NewJSONHandler(&b, nil)), &b
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}
