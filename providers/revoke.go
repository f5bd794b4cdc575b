package providers

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

// Revoke tells the provider to forget a token (RFC 7009): one POST within
// Budget.Deadline, under the guards of Refresh. hint is refresh_token,
// access_token or empty. nil: the token is dead, which it also is where the
// provider says that it does not know it.
//
// Errors are EndpointErrors: ErrUnreachable (revoking again is harmless),
// ErrRefused (our registration or address is wrong), ErrNotSupported (no
// revocation_url, or the provider does not revoke such tokens). What else dies
// with the token is the profile's to say: see RevokesTokensOnly.
func (p *Provider) Revoke(ctx context.Context, token secret.Value, hint string) error {
	return p.blame("revocation", p.revoke(ctx, token, hint))
}

// RevokesTokensOnly says whether revoking a token is known to leave the rest of
// the grant, and the user's other grants, alone. Only then may a candidate that
// was turned down be revoked: it may be the same grant as a link that lives.
func (p *Provider) RevokesTokensOnly() bool {
	return p.profile.RevocationScope == RevokesToken && p.profile.RevocationURL != ""
}

func (p *Provider) revoke(ctx context.Context, token secret.Value, hint string) error {
	if p.profile.RevocationURL == "" {
		return notSupported("revocation_url")
	}
	if token.IsZero() {
		return &EndpointError{Reason: ReasonRefused, words: "there is no token to revoke"}
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	out := p.present(ctx, presentation{
		where: "revocation endpoint", style: p.profile.AuthStyle, deadline: p.opts.Clock().Add(p.opts.Budget.Deadline),
		shown: []secret.Value{token}, judge: judgeRevocation,
		send: func(ctx context.Context, cfg oauth2.Config) error { return p.postRevocation(ctx, cfg, form) },
	})
	return revocationError(out)
}

// postRevocation authenticates the client as at the token endpoint (RFC 7009, 2.1).
func (p *Provider) postRevocation(ctx context.Context, cfg oauth2.Config, form url.Values) error {
	basic := cfg.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", cfg.ClientID)
		if cfg.ClientSecret != "" {
			form.Set("client_secret", cfg.ClientSecret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.profile.RevocationURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth(url.QueryEscape(cfg.ClientID), url.QueryEscape(cfg.ClientSecret))
	}
	res, err := oauth2.NewClient(ctx, nil).Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// judgeRevocation: an answer of success needs no body, and a token that the
// provider does not know is as dead as one may wish (RFC 7009, 2.2).
func judgeRevocation(p *Profile, r *reply, f fields, _ bool) verdict {
	code := f.text("error")
	switch {
	case r.success() && (!p.SuccessStatusErrors || code == ""):
		return verdict{class: OK}
	case r.status >= 300 && r.status <= 399:
		return verdict{class: OurFault, words: "a redirect is not followed; set revocation_url to the final address"}
	case r.status == http.StatusTooManyRequests:
		return verdict{class: Refused, code: code, words: "too many requests"}
	case code == "invalid_token", code == codeInvalidGrant:
		return verdict{class: OK}
	case code == codeUnsupportedToken:
		return verdict{class: OurFault, code: code, words: "the provider does not revoke such tokens"}
	}
	v := judgeError(p, r, f, code)
	if v.strange {
		v.words = "the request was not understood; check revocation_url"
	}
	return v
}

func revocationError(out Outcome) error {
	e := &EndpointError{Reason: ReasonUnreachable, Status: out.Status, RetryAfter: out.RetryAfter}
	switch {
	case out.Class == OK:
		return nil
	case out.Code == codeUnsupportedToken:
		e.Reason = ReasonNotSupported
	case out.Class == OurFault, out.Class == GrantDead:
		e.Reason = ReasonRefused
	}
	e.words = out.Err.Error()
	return e
}
