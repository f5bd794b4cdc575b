package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// skew is how far an ID token's `exp` may lie behind our clock.
const skew = 2 * time.Minute

// Verify checks a refreshed ID token and compares it with the login known for
// the link (OIDC Core, 12.2): same issuer, same subject. known may be empty, or
// of another client registration, under which `sub` says nothing; then the token
// is verified all the same and Comparison is unknown.
//
// An answer without an ID token is fine, as is one whose profile pins no
// algorithm: Comparison is unknown and Identity empty. Errors are ErrHostile or
// ErrKeysUnavailable and name no claim's value. Key fetches take at most
// Budget.Deadline.
func (p *Provider) Verify(ctx context.Context, a *Answer, known Identity) (Verified, error) {
	unknown := Verified{Comparison: ComparisonUnknown}
	if a.IDToken.IsZero() {
		if p.profile.IDTokenOnRefresh == IDTokenRequired || p.profile.Bearer == BearerID {
			return unknown, p.hostile("the answer has no ID token and the profile demands one")
		}
		return unknown, nil
	}
	if len(p.profile.IDTokenAlgs) == 0 {
		return unknown, nil
	}
	token, err := p.verified(ctx, a.IDToken.Reveal())
	if err != nil {
		return unknown, err
	}
	v := Verified{
		Comparison: ComparisonUnknown, ExpiresAt: token.Expiry,
		Identity: Identity{Issuer: token.Issuer, Subject: token.Subject, ClientID: p.profile.ClientID},
	}
	return p.compare(v, known)
}

// verified checks signature, algorithm, iss, aud, azp, exp and nbf.
func (p *Provider) verified(ctx context.Context, raw string) (*oidc.IDToken, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Budget.Deadline)
	defer cancel()
	keys := &noted{keys: p.keys}
	token, err := oidc.NewVerifier(p.profile.expectedIssuer(), keys, &oidc.Config{
		ClientID: p.profile.ClientID, SupportedSigningAlgs: p.profile.IDTokenAlgs,
		Now: func() time.Time { return p.opts.Clock().Add(-skew) },
	}).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case err == nil:
		return token, p.checkParty(token)
	case keys.unavailable:
		return nil, p.errorf("%w: check jwks_url and that the worker can reach it", ErrKeysUnavailable)
	case !keys.good:
		return nil, p.hostile("its signature is wrong, or its algorithm is not pinned in id_token_algs")
	case errors.As(err, &expired):
		return nil, p.hostile("it has expired; check this host's clock")
	}
	return nil, p.hostile("its iss, aud or nbf is wrong; check issuer, iss_override and client_id")
}

// checkParty: an ID token for several audiences names the one it was issued to
// (OIDC Core, 3.1.3.7).
func (p *Provider) checkParty(token *oidc.IDToken) error {
	var c struct {
		Party string `json:"azp"`
	}
	if err := token.Claims(&c); err != nil {
		return p.hostile("its claims cannot be read")
	}
	if c.Party != "" && c.Party != p.profile.ClientID || c.Party == "" && len(token.Audience) > 1 {
		return p.hostile("it was issued to another client (azp)")
	}
	if token.Subject == "" {
		return p.hostile("it names no subject")
	}
	return nil
}

func (p *Provider) compare(v Verified, known Identity) (Verified, error) {
	if known.Subject == "" || known.ClientID != "" && known.ClientID != v.Identity.ClientID {
		return v, nil
	}
	if known.Issuer != "" && known.Issuer != v.Identity.Issuer {
		return v, p.hostile("its issuer is not the one that the grant began with")
	}
	if known.Subject != v.Identity.Subject {
		return v, p.hostile("its subject is not the one that the grant began with")
	}
	v.Comparison = ComparisonSame
	return v, nil
}

func (p *Provider) hostile(why string) error {
	return fmt.Errorf("provider %s: %w: %s", p.name, ErrHostile, why)
}
