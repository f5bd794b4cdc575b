package providers

import (
	"context"
	"time"

	"github.com/regrant/regrant/secret"
)

const tokenEndpoint = "token endpoint"

// Request is one presentation of what keeps a grant alive.
type Request struct {
	// Grant says which of the credentials below is presented; the others stay here.
	// Empty: GrantRefreshToken.
	Grant        Grant
	RefreshToken secret.Value
	APIKey       secret.Value
	// Username and Password belong together (GrantPassword).
	Username, Password secret.Value
	// Scopes are those of the link, for GrantPassword and GrantClientCredentials.
	// None: Profile.Scopes.
	Scopes []string
	// Deadline ends the attempt and, after it, the connection accepts no byte:
	// others may have taken over by then. Zero: now + Provider.DeadlineFor(Grant).
	Deadline time.Time
}

// Refresh presents a credential once: a refresh token (RFC 6749, 6), a password
// (4.3), our own registration (4.4) or a vendor's API key. It makes at most one
// request and never retries. Ending ctx calls the attempt off only while nothing
// has been sent; from the first byte on the answer is waited for until the
// deadline.
//
// GrantDead speaks of the credential that was presented and of no other: a wrong
// password says nothing about a refresh token.
func (p *Provider) Refresh(ctx context.Context, r Request) Outcome {
	what, err := p.presenting(r)
	if err != nil {
		return Outcome{Class: NotSent, Err: err}
	}
	return p.present(ctx, what)
}

// until is the deadline that was asked for, or the usual one.
func (p *Provider) until(asked time.Time, usual time.Duration) time.Time {
	if asked.IsZero() {
		return p.opts.Clock().Add(usual)
	}
	return asked
}
