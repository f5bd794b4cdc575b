package providers

import (
	"context"
	"crypto/x509"
	"log/slog"
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
}

// Request is one presentation of a refresh token.
type Request struct {
	RefreshToken secret.Value
	// Deadline ends the attempt and, after it, the connection accepts no byte:
	// others may have taken over by then. Zero: now + Provider.Deadline().
	Deadline time.Time
}

// Provider is one configured provider. It is safe for concurrent use.
type Provider struct {
	name    string
	profile Profile
	opts    Options
}

// New checks the profile, reads the client secrets and prepares the clients. It
// makes no network call. Close the Provider when done.
func New(name string, p Profile, opts Options) (*Provider, error) {
	return nil, errNotBuilt
}

// Name is the provider's name in events, subjects and logs.
func (p *Provider) Name() string { return p.name }

// Profile returns the profile that New was given.
func (p *Provider) Profile() Profile { return p.profile }

// Deadline is how long one attempt may take: much longer where it cannot be
// repeated, because a call cut short there costs a user's consent.
func (p *Provider) Deadline() time.Duration {
	if p.profile.Replay.Kind == ReplayForbidden {
		return p.opts.Budget.DeadlineOnce
	}
	return p.opts.Budget.Deadline
}

// Refresh presents a refresh token once (RFC 6749, 6).
func (p *Provider) Refresh(ctx context.Context, r Request) Outcome {
	return Outcome{Class: NotSent, Err: errNotBuilt}
}

// Bearer returns the token of the answer that services send.
func (p *Provider) Bearer(a *Answer) secret.Value {
	if p.profile.Bearer == BearerID {
		return a.IDToken
	}
	return a.AccessToken
}

// Close ends key fetches under way and closes idle connections. It may be called
// more than once.
func (p *Provider) Close() {}
