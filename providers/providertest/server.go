package providertest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to simulate.
type Config struct {
	// Dir holds the ledger, LedgerName. A ledger that is there is continued.
	// Empty is a temporary directory that Close removes.
	Dir string
	// Volatile keeps the ledger in memory alone and touches no file: for the months
	// and the half a million requests of a simulated life. Of each family it knows
	// the newest tokens and those that are good; older ones are like tokens that were
	// never issued, also to Issued. What is left to pay is signing: a millisecond or two
	// for an RS256 token, a tenth of that for ES256.
	Volatile bool
	// Addr to listen on; empty is 127.0.0.1 and a free port.
	Addr string
	// Listener to serve on instead of Addr, which is then not looked at; nil
	// listens on Addr. Its address is the host of all URLs. Close closes it.
	Listener net.Listener
	// Providers are served under /<name>/. At least one.
	Providers map[string]Behaviour
	// Clock drives lifetimes and windows, not delays. Nil is time.Now. It is
	// called from many goroutines.
	Clock func() time.Time
	// Log gets a line per request, at debug level and without tokens. Nil discards.
	Log *slog.Logger
}

// Server is a running simulator. All methods are safe for concurrent use. Those
// that take a provider's name panic if the Config has none of that name: it is a
// mistake in the calling code.
type Server struct {
	cfg       Config
	url       string
	http      *http.Server
	record    recorder
	temporary string // directory to remove, if any
	providers map[string]*provider
	families  sync.Map // id → *family
	jwksDown  atomic.Bool

	closing  chan struct{} // closed by Close: ends every hold, delay and hang
	closed   func() error
	serving  chan struct{} // closed when Serve returned
	serveErr error
	mu       sync.Mutex // guards requests.Add against requests.Wait
	requests sync.WaitGroup
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	set(&cfg.Addr, "127.0.0.1:0")
	set(&cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	s := &Server{
		cfg: cfg, providers: map[string]*provider{},
		closing: make(chan struct{}), serving: make(chan struct{}),
	}
	s.closed = sync.OnceValue(s.close)
	listener, err := cfg.listener()
	if err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("start simulator: %w", errors.Join(err, listener.Close()))
	}
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.serving)
		s.serveErr = s.http.Serve(listener)
	}()
	return s, nil
}

func (c Config) listener() (net.Listener, error) {
	if c.Listener != nil {
		return c.Listener, nil
	}
	return net.Listen("tcp", c.Addr)
}

// prepare makes the providers and opens the ledger, in this order: a refused
// configuration leaves no file.
func (s *Server) prepare() error {
	if len(s.cfg.Providers) == 0 {
		return errors.New("no Providers in the Config; take one from Named")
	}
	for name, b := range s.cfg.Providers {
		p, err := newProvider(s.url, name, b.withDefaults(name), s.cfg)
		if err != nil {
			return fmt.Errorf("provider %s: %w", name, err)
		}
		s.providers[name] = p
		s.SetSecrets(name, p.behaviour.ClientSecret)
		for login, password := range b.Users {
			s.SetPassword(name, login, password)
		}
	}
	return s.openRecord()
}

func (s *Server) openRecord() (err error) {
	if s.cfg.Volatile {
		s.record = &volatile{}
		return nil
	}
	if s.cfg.Dir == "" {
		if s.temporary, err = os.MkdirTemp("", "providertest-"); err != nil {
			return err
		}
		s.cfg.Dir = s.temporary
	}
	journal, err := openJournal(s.LedgerPath())
	if err != nil {
		return err
	}
	s.record = journal
	return nil
}

// URL is the server's address, without a path.
func (s *Server) URL() string { return s.url }

// Endpoints of one provider.
func (s *Server) Endpoints(provider string) Endpoints { return s.provider(provider).endpoints }

// LedgerPath is the ledger's file; a volatile server has none.
func (s *Server) LedgerPath() string { return filepath.Join(s.cfg.Dir, LedgerName) }

// Ledger reads from disk what is durable now.
func (s *Server) Ledger() (*Ledger, error) {
	if v, ok := s.record.(*volatile); ok {
		return v.ledger(), nil
	}
	return OpenLedger(s.LedgerPath())
}

// JWKSDown makes all JWKS endpoints answer 503, or stops doing so.
func (s *Server) JWKSDown(down bool) { s.jwksDown.Store(down) }

// Close ends every request, waits for the handlers and closes the ledger. It may
// be called again.
func (s *Server) Close() error { return s.closed() }

func (s *Server) close() error {
	s.mu.Lock()
	close(s.closing)
	s.mu.Unlock()
	err := s.http.Close()
	<-s.serving
	if !errors.Is(s.serveErr, http.ErrServerClosed) {
		err = errors.Join(err, s.serveErr)
	}
	s.requests.Wait()
	err = errors.Join(err, s.record.close())
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	if err != nil {
		return fmt.Errorf("close simulator: %w", err)
	}
	return nil
}

// enter counts a handler in, unless the server is closing.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return false
	default:
		s.requests.Add(1)
		return true
	}
}
