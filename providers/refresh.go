package providers

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

const tokenEndpoint = "token endpoint"

// Request is one presentation of a refresh token.
type Request struct {
	RefreshToken secret.Value
	// Deadline ends the attempt and, after it, the connection accepts no byte:
	// others may have taken over by then. Zero: now + Provider.Deadline().
	Deadline time.Time
}

// Refresh presents a refresh token once (RFC 6749, 6). It makes at most one
// request and never retries. Ending ctx calls the attempt off only while nothing
// has been sent; from the first byte on the answer is waited for until the
// deadline.
func (p *Provider) Refresh(ctx context.Context, r Request) Outcome {
	if r.RefreshToken.IsZero() {
		return Outcome{Class: NotSent, Err: p.errorf("there is no refresh token to present")}
	}
	return p.present(ctx, p.refreshing(r))
}

func (p *Provider) refreshing(r Request) presentation {
	return presentation{
		where: tokenEndpoint, style: p.profile.AuthStyle, deadline: p.until(r.Deadline, p.Deadline()),
		shown: []secret.Value{r.RefreshToken}, judge: judge,
		send: func(ctx context.Context, cfg oauth2.Config) error {
			_, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: r.RefreshToken.Reveal()}).Token()
			return err
		},
	}
}

// until is the deadline that was asked for, or the usual one.
func (p *Provider) until(asked time.Time, usual time.Duration) time.Time {
	if asked.IsZero() {
		return p.opts.Clock().Add(usual)
	}
	return asked
}
