package providers

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/regrant/regrant/secret"
)

// DeadlineFor is how long one presentation under a grant may take. Only a refresh
// token can be spent by being shown; what else proves a user or ourselves may be
// shown again, so it is not waited for any longer than that takes.
func (p *Provider) DeadlineFor(g Grant) time.Duration {
	if g.orDefault() == GrantRefreshToken {
		return p.Deadline()
	}
	return p.opts.Budget.Deadline
}

func (g Grant) orDefault() Grant {
	if g == "" {
		return GrantRefreshToken
	}
	return g
}

// presenting is the presentation of a request under its grant. The error says
// which part of the credential is missing.
func (p *Provider) presenting(r Request) (presentation, error) {
	switch r.Grant.orDefault() {
	case GrantRefreshToken:
		return p.refreshing(r), p.unless(!r.RefreshToken.IsZero(), "there is no refresh token to present")
	case GrantPassword:
		return p.loggingIn(r), p.unless(!r.Username.IsZero() && !r.Password.IsZero(), "there is no user name with a password to present")
	case GrantAPIKey:
		return p.exchangingKey(r), p.unless(!r.APIKey.IsZero(), "there is no API key to present")
	case GrantClientCredentials:
		return p.beingOurselves(r), nil
	}
	return presentation{}, p.errorf("the grant of the request is not known")
}

func (p *Provider) unless(ok bool, words string) error {
	if ok {
		return nil
	}
	return p.errorf("%s", words)
}

// asking is what the presentations of all grants have in common.
func (p *Provider) asking(r Request, shown ...secret.Value) presentation {
	return presentation{
		where: tokenEndpoint, style: p.profile.AuthStyle, shown: shown, judge: judgeCredential,
		deadline: p.until(r.Deadline, p.DeadlineFor(r.Grant)),
	}
}

// refreshing sends no scope: the new token is for what was granted (RFC 6749, 6).
func (p *Provider) refreshing(r Request) presentation {
	what := p.asking(r, r.RefreshToken)
	what.judge = judge
	what.send = func(ctx context.Context, cfg oauth2.Config) error {
		_, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: r.RefreshToken.Reveal()}).Token()
		return err
	}
	return what
}

func (p *Provider) loggingIn(r Request) presentation {
	what := p.asking(r, r.Username, r.Password)
	what.send = func(ctx context.Context, cfg oauth2.Config) error {
		cfg.Scopes = p.scopesFor(r)
		_, err := cfg.PasswordCredentialsToken(ctx, r.Username.Reveal(), r.Password.Reveal())
		return err
	}
	return what
}

// exchangingKey sends no scope: what a key may do is laid down with the key.
func (p *Provider) exchangingKey(r Request) presentation {
	what := p.asking(r, r.APIKey)
	what.send = func(ctx context.Context, cfg oauth2.Config) error {
		return tokenFor(ctx, cfg, url.Values{
			"grant_type": {p.profile.APIKey.GrantType}, p.profile.APIKey.Parameter: {r.APIKey.Reveal()},
		})
	}
	return what
}

func (p *Provider) beingOurselves(r Request) presentation {
	what := p.asking(r)
	what.judge = judgeOurselves
	what.send = func(ctx context.Context, cfg oauth2.Config) error {
		cfg.Scopes = p.scopesFor(r)
		return tokenFor(ctx, cfg, nil)
	}
	return what
}

// tokenFor asks as the client alone, or with parameters in place of what the
// client credentials grant has.
func tokenFor(ctx context.Context, cfg oauth2.Config, params url.Values) error {
	asking := clientcredentials.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Scopes: cfg.Scopes,
		TokenURL: cfg.Endpoint.TokenURL, AuthStyle: cfg.Endpoint.AuthStyle, EndpointParams: params,
	}
	_, err := asking.Token(ctx)
	return err
}

func (p *Provider) scopesFor(r Request) []string {
	if len(r.Scopes) > 0 {
		return r.Scopes
	}
	return p.profile.Scopes
}

// judgeCredential is judge for what a user or vendor gave us, a password or an API
// key. It comes from outside, as a code does, and the same holds for it: what is
// refused in words that nobody knows is the credential, not the whole app.
func judgeCredential(p *Profile, r *reply, f fields, readable bool) verdict {
	v := judge(p, r, f, readable)
	switch {
	case v.class == GrantDead:
		v.words = "the credential was rejected"
	case v.strange && v.code != "":
		v.class, v.words = GrantDead, "the credential was rejected; if every one is, check the profile's grants, api_key and auth_style"
	}
	return v
}

// judgeOurselves: where nothing but our own registration is shown, nothing else
// can be refused.
func judgeOurselves(p *Profile, r *reply, f fields, readable bool) verdict {
	v := judge(p, r, f, readable)
	if v.class == GrantDead {
		v.class, v.words = OurFault, "check the app's registration, and whether it may use client_credentials"
	}
	return v
}
