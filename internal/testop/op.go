package testop

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Config is what a test may want otherwise. Its zero value is a provider with
// one client that authenticates by HTTP Basic.
type Config struct {
	// Clients are the registered clients. None is one with an id and a secret of
	// its own, see Endpoints.
	Clients []Client

	// AccessTTL and IDTokenTTL are lifetimes; zero is 15 minutes. Tokens count in
	// whole seconds: one nanosecond is a token that has expired when it arrives.
	AccessTTL  time.Duration
	IDTokenTTL time.Duration

	// RevokeUser makes the revocation of any token end all grants that its user
	// gave to the client, as some providers do. Without it only the token's own
	// grant ends, or, for an access token, that token alone.
	RevokeUser bool

	// AccountsPage is how many accounts one reply lists; zero is all of them.
	// Further pages are named in the body (links.next.href) and in a Link header
	// (RFC 8288), both absolute.
	AccountsPage int

	// Wrap stands in front of everything, for faults: what it answers itself the
	// provider has not seen. What it holds back must be let go when the test's
	// context ends, or the provider cannot stop.
	Wrap func(http.Handler) http.Handler
}

// OP is a running provider. Its methods may be called at any time from any
// goroutine; those that take a test end it when the provider cannot do as told.
type OP struct {
	cfg      Config
	issuer   string
	store    *store
	witness  *witness
	provider *op.Provider
	client   *http.Client // the browser's, see Consent
}

// Endpoints is what a client's configuration needs. The client is the first of
// Config.Clients.
type Endpoints struct {
	Issuer, Authorize, Token, JWKS, Userinfo, Revoke string
	Accounts, Customer                               string
	ClientID, ClientSecret, RedirectURI              string
}

// Start runs a provider on a free port until the test ends.
func Start(t testing.TB, cfg Config) *OP {
	t.Helper()
	cfg = cfg.withDefaults()
	srv := httptest.NewUnstartedServer(nil)
	o := &OP{
		cfg:     cfg,
		issuer:  "http://" + srv.Listener.Addr().String(),
		store:   newStore(cfg, newKey(t)),
		witness: newWitness(),
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	o.provider = newProvider(t, o.issuer, o.store, log)
	o.client = browserClient(o.issuer)
	srv.Config.Handler = cfg.Wrap(o.routes())
	srv.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	srv.Start()
	t.Cleanup(func() {
		o.client.CloseIdleConnections()
		srv.Close()
	})
	return o
}

func (c Config) withDefaults() Config {
	if len(c.Clients) == 0 {
		c.Clients = []Client{{ID: "regrant-test", Secret: "a secret: with+odd %characters"}}
	}
	c.AccessTTL = cmp.Or(c.AccessTTL, 15*time.Minute)
	c.IDTokenTTL = cmp.Or(c.IDTokenTTL, 15*time.Minute)
	if c.Wrap == nil {
		c.Wrap = func(h http.Handler) http.Handler { return h }
	}
	return c
}

// newProvider leaves the library's paths as they are: its WithCustom… options
// write to a variable that all providers of a process share.
func newProvider(t testing.TB, issuer string, st *store, log *slog.Logger) *op.Provider {
	t.Helper()
	cfg := &op.Config{
		CryptoKey:             randomKey(),
		CodeMethodS256:        true,
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
		SupportedScopes:       []string{"openid", "profile", "email", "offline_access", "accounts", "payments"},
	}
	p, err := op.NewProvider(cfg, st, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithLogger(log))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (o *OP) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("GET /login", o.loginPage)
	mux.HandleFunc("POST /login", o.login)
	mux.HandleFunc("GET /consent", o.consentPage)
	mux.HandleFunc("POST /consent", o.consent)
	mux.HandleFunc("GET /accounts", o.accounts)
	mux.HandleFunc("GET /customer", o.customer)
	mux.Handle("POST "+o.provider.TokenEndpoint().Relative(), o.witness.token(o.onlyAsRegistered(o.provider)))
	mux.Handle("POST "+o.provider.RevocationEndpoint().Relative(), o.witness.revocation(o.onlyAsRegistered(o.provider)))
	mux.Handle("/", o.provider)
	return o.stampIssuer(mux)
}

// Endpoints tells where everything is.
func (o *OP) Endpoints() Endpoints {
	c := o.cfg.Clients[0]
	return Endpoints{
		Issuer:       o.issuer,
		Authorize:    o.provider.AuthorizationEndpoint().Absolute(o.issuer),
		Token:        o.provider.TokenEndpoint().Absolute(o.issuer),
		JWKS:         o.provider.KeysEndpoint().Absolute(o.issuer),
		Userinfo:     o.provider.UserinfoEndpoint().Absolute(o.issuer),
		Revoke:       o.provider.RevocationEndpoint().Absolute(o.issuer),
		Accounts:     o.issuer + "/accounts",
		Customer:     o.issuer + "/customer",
		ClientID:     c.ID,
		ClientSecret: c.Secret,
		RedirectURI:  c.redirectURIs()[0],
	}
}

// User registers a user, or changes one: what it says holds from now on also
// for grants that were given before.
func (o *OP) User(u User) { o.store.setUser(u) }

// Counts is what the provider has seen so far.
func (o *OP) Counts() Counts { return o.witness.counts() }

// Issued lists every token that was handed out, for scans for leaks.
func (o *OP) Issued() []string { return o.witness.issuedTokens() }
