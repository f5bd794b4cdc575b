package providers

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/secret"
)

// Options are what a Provider needs from its process.
type Options struct {
	// Budget gives the deadlines. The zero Budget is budget.Of(budget.Default).
	Budget budget.Budget
	// Clock is read for RequestedAt, ID token expiry and deadlines; nil: time.Now.
	// Its times must carry a monotonic reading, or a clock that is set back
	// prolongs deadlines.
	Clock func() time.Time
	// Log receives warnings about the set-up; nil: nothing is logged.
	Log *slog.Logger
	// BaseDir is what relative paths of secret files start from; empty: the
	// working directory.
	BaseDir string
	// RootCAs replaces the system's certificate authorities; nil: the system's.
	RootCAs *x509.CertPool
	// Dial replaces the network, for tests on connections in memory; nil: TCP. The
	// rule about addresses (Profile.AllowLoopback) is enforced by the TCP dialer
	// alone, so nothing that serves users sets this.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Provider is one configured provider. It is safe for concurrent use.
type Provider struct {
	name      string
	profile   Profile
	opts      Options
	secrets   *clientSecrets
	asserter  *asserter
	dialer    *net.Dialer
	dial      dialFunc
	transport *oneShot
	keys      *keySet
	fetch     *fetcher
	read      resources
}

const (
	defaultConcurrency = 64
	defaultFlowTTL     = 10 * time.Minute
	defaultHoldFor     = 14 * 24 * time.Hour
	dialPatience       = 10 * time.Second
	tlsSessions        = 64
)

// New checks the profile, reads the client secrets and prepares the clients. It
// makes no network call. Close the Provider when done.
func New(name string, profile Profile, opts Options) (*Provider, error) {
	if err := profile.Validate(name); err != nil {
		return nil, err
	}
	p := &Provider{name: name, profile: profile.filled(), opts: opts.filled(), read: profile.resources()}
	var err error
	if p.secrets, err = readSecrets(profile, opts.BaseDir, p.opts.Log); err != nil {
		return nil, fmt.Errorf("providers.%s: %w", name, err)
	}
	if err := p.checkHMACSecrets(); err != nil {
		return nil, err
	}
	if p.asserter, err = newAsserter(p.profile, p.opts); err != nil {
		return nil, fmt.Errorf("providers.%s.%w", name, err)
	}
	certificates, err := certificate(p.profile, p.opts)
	if err != nil {
		return nil, fmt.Errorf("providers.%s.%w", name, err)
	}
	p.dialer = &net.Dialer{Timeout: dialPatience, Control: profile.addressRule().control}
	if p.dial = opts.Dial; p.dial == nil {
		p.dial = p.dialer.DialContext
	}
	p.transport = &oneShot{dial: p.dialAttempt, tls: p.tlsConfig(certificates...), patience: dialPatience}
	p.fetch = newFetcher(newTransport(p.dial, p.tlsConfig(), dialPatience))
	p.keys = newKeySet(profile, p.secrets.known, p.fetch, p.opts.Budget.Deadline)
	return p, nil
}

func (o Options) filled() Options {
	if o.Budget == (budget.Budget{}) {
		o.Budget = budget.Of(budget.Default)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (p Profile) filled() Profile {
	p.Concurrency = cmp.Or(p.Concurrency, defaultConcurrency)
	p.FlowTTL = cmp.Or(p.FlowTTL, defaultFlowTTL)
	p.HoldFor = cmp.Or(p.HoldFor, defaultHoldFor)
	p.CodeAuthStyle = cmp.Or(p.CodeAuthStyle, p.AuthStyle)
	p.LockBy = cmp.Or(p.LockBy, LockByLink)
	p.APIKey.GrantType = cmp.Or(p.APIKey.GrantType, string(GrantAPIKey))
	p.APIKey.Parameter = cmp.Or(p.APIKey.Parameter, string(GrantAPIKey))
	if len(p.Grants) == 0 {
		p.Grants = []Grant{GrantRefreshToken}
	}
	return p
}

// checkHMACSecrets: a secret shorter than the hash cannot verify (RFC 7518, 3.2);
// better to say so at the start than to quarantine the first link.
func (p *Provider) checkHMACSecrets() error {
	need := 0
	for i, alg := range symmetric {
		if slices.Contains(p.profile.IDTokenAlgs, alg) {
			need = 32 + 16*i
		}
	}
	for _, s := range p.secrets.known() {
		if len(s.Reveal()) < need {
			return fmt.Errorf("providers.%s.id_token_algs: the client secret is shorter than the %d bytes that HMAC verification needs; remove the HS algorithm or register a longer secret", p.name, need)
		}
	}
	return nil
}

// tlsConfig keeps TLS sessions, which takes the cost out of fresh connections.
func (p *Provider) tlsConfig(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		RootCAs: p.opts.RootCAs, Certificates: certificates, MinVersion: tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
	}
}

// Name is the provider's name in events, subjects and logs.
func (p *Provider) Name() string { return p.name }

// Profile returns the profile that New was given, with its defaults filled in.
func (p *Provider) Profile() Profile { return p.profile }

// Deadline is how long one attempt may take: much longer where it cannot be
// repeated, because a call cut short there costs a user's consent.
func (p *Provider) Deadline() time.Duration {
	if p.profile.Replay.Kind == ReplayForbidden {
		return p.opts.Budget.DeadlineOnce
	}
	return p.opts.Budget.Deadline
}

// Bearer returns the token of the answer that services send.
func (p *Provider) Bearer(a *Answer) secret.Value {
	if p.profile.Bearer == BearerID {
		return a.IDToken
	}
	return a.AccessToken
}

// Close ends what is being read (keys, userinfo, accounts) and waits for it. What
// is being presented runs to its end; the caller waits for that. It may be called more than once.
func (p *Provider) Close() { p.fetch.close() }
