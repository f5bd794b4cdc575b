package providers

import (
	"context"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

// CodeRequest is one presentation of an authorization code.
type CodeRequest struct {
	Code secret.Value
	// Verifier is the PKCE code verifier (RFC 7636, 4.5) of the flow; required.
	Verifier secret.Value
	// RedirectURI is the one that the authorize URL had, to the letter.
	RedirectURI string
	// Deadline is as in Request. Zero: now + Provider.CodeDeadline().
	Deadline time.Time
}

// CodeDeadline is how long the exchange of a code may take. A code is good for
// one presentation whatever the profile says of refresh tokens, so it is long.
func (p *Provider) CodeDeadline() time.Duration { return p.opts.Budget.DeadlineOnce }

// Exchange presents an authorization code once (RFC 6749, 4.1.3), under the same
// rules as Refresh. GrantDead means that the code was rejected: spent, expired,
// forged, or not of this redirect URI and verifier. A code that fails is a flow
// that fails; it says nothing about the grant that the link has.
func (p *Provider) Exchange(ctx context.Context, r CodeRequest) Outcome {
	if r.Code.IsZero() || r.Verifier.IsZero() || r.RedirectURI == "" {
		return Outcome{Class: NotSent, Err: p.errorf("a code goes out only with its verifier and its redirect URI")}
	}
	return p.present(ctx, presentation{
		where: tokenEndpoint, style: p.profile.CodeAuthStyle, deadline: p.until(r.Deadline, p.CodeDeadline()),
		shown: []secret.Value{r.Code, r.Verifier}, judge: judgeCode,
		send: func(ctx context.Context, cfg oauth2.Config) error {
			cfg.RedirectURL = r.RedirectURI
			_, err := cfg.Exchange(ctx, r.Code.Reveal(), oauth2.VerifierOption(r.Verifier.Reveal()))
			return err
		},
	})
}

// judgeCode is judge for a code. Codes come from outside: a forged one must not
// look like trouble with our registration, which would suspend the whole app. So
// an error that names itself and that nothing tells us to be ours (Dex answers a
// wrong code with `invalid_request`) is the code's.
func judgeCode(p *Profile, r *reply, f fields, readable bool) verdict {
	v := judge(p, r, f, readable)
	switch {
	case v.class == GrantDead:
		v.words = "the code was rejected; begin a new flow"
	case v.strange && v.code != "":
		v.class, v.words = GrantDead, "the code was rejected; if every code is, check the redirect URI and code_auth_style"
	}
	return v
}
