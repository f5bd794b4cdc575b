package providers

import (
	"context"
	"errors"

	"github.com/regrant/regrant/secret"
)

// Verify checks a refreshed ID token and compares it with the login known for
// the link (OIDC Core, 12.2): same issuer, same subject. known may be empty, or
// of another client registration, under which `sub` says nothing; then the token
// is verified all the same and Comparison is unknown.
//
// An answer without an ID token is fine, as is one whose profile pins no
// algorithm: Comparison is unknown and Identity empty. Errors are a Rejection
// (ErrHostile) or ErrKeysUnavailable and name no claim's value. Key fetches take
// at most Budget.Deadline.
func (p *Provider) Verify(ctx context.Context, a *Answer, known Identity) (Verified, error) {
	t, err := p.shown(ctx, a, p.profile.IDTokenOnRefresh)
	if t == nil || err != nil {
		return nothingVerified(), err
	}
	return p.compare(p.proven(t), known)
}

// VerifyCode checks the ID token that came with a code, or among staged tokens,
// whole (OIDC Core, 3.1.3.7): as Verify does, and that it bears the flow's nonce
// and belongs to the access token beside it (at_hash, where there is one). An
// empty nonce is not checked. It compares with no known login: that is decided
// where both are known. Answers without a token and errors are as with Verify.
func (p *Provider) VerifyCode(ctx context.Context, a *Answer, nonce string) (Verified, error) {
	t, err := p.shown(ctx, a, p.profile.IDTokenOnCode)
	if t == nil || err != nil {
		return nothingVerified(), err
	}
	if err := p.checkFlow(t, a, nonce); err != nil {
		return nothingVerified(), err
	}
	return p.proven(t), nil
}

// Identify finds out whose login a code's answer is of: by the ID token, where
// one can be verified, else by asking userinfo_url, else not at all, which is no
// error: Identity is empty then. Where there is an ID token only that counts.
//
// Errors are those of VerifyCode; ErrUnreachable, if userinfo may answer later;
// ErrRefused, if it will not. What userinfo says that makes no sense is a
// Rejection.
func (p *Provider) Identify(ctx context.Context, a *Answer, nonce string) (Verified, error) {
	v, err := p.VerifyCode(ctx, a, nonce)
	if err != nil || v.Identity.Subject != "" || p.profile.UserinfoURL == "" {
		return v, err
	}
	return p.userinfo(ctx, a.AccessToken)
}

// shown returns the answer's ID token, verified; nil where none is shown and none
// demanded, and where the profile cannot verify any.
func (p *Provider) shown(ctx context.Context, a *Answer, demand IDTokenOnRefresh) (*idToken, error) {
	if a.IDToken.IsZero() {
		if demand == IDTokenRequired || p.profile.Bearer == BearerID {
			return nil, p.reject(ReasonMissing, "the answer has no ID token and the profile demands one")
		}
		return nil, nil
	}
	if len(p.profile.IDTokenAlgs) == 0 {
		return nil, nil
	}
	return p.verified(ctx, a.IDToken, a.RequestedAt)
}

func nothingVerified() Verified { return Verified{Comparison: ComparisonUnknown} }

func (p *Provider) proven(t *idToken) Verified {
	v := nothingVerified()
	v.Identity = Identity{Issuer: t.issuer, Subject: t.subject, ClientID: p.profile.ClientID}
	v.ExpiresAt = t.expires
	v.Claims, v.ClaimsOmitted = t.claims.custom()
	return v
}

// userinfo asks for the login that an access token was issued for (OIDC Core,
// 5.3). TLS vouches for the answer. A signed one is not understood.
func (p *Provider) userinfo(ctx context.Context, bearer secret.Value) (Verified, error) {
	const name = "userinfo"
	ctx, cancel := context.WithTimeout(ctx, p.opts.Budget.Deadline)
	defer cancel()
	got, err := p.get(ctx, p.read.userinfo, bearer)
	if errors.Is(err, ErrMalformed) {
		return nothingVerified(), p.reject(ReasonMalformed, "the answer of userinfo_url is too long")
	}
	if err != nil {
		return nothingVerified(), p.blame(name, err)
	}
	c, err := parseClaims(got.body)
	if err != nil {
		return nothingVerified(), p.reject(ReasonMalformed, "the answer of userinfo_url is no JSON object")
	}
	return p.told(c)
}

// told reads the login from claims that came without an ID token.
func (p *Provider) told(c claimSet) (Verified, error) {
	sub, err := c.subject()
	switch {
	case err != nil:
		return nothingVerified(), p.reject(ReasonMalformed, "the sub of userinfo_url is no subject")
	case sub == "":
		return nothingVerified(), p.reject(ReasonNoSubject, "the answer of userinfo_url names no subject")
	}
	v := nothingVerified()
	v.Identity = Identity{Issuer: p.profile.expectedIssuer(), Subject: sub, ClientID: p.profile.ClientID}
	v.Claims, v.ClaimsOmitted = c.custom()
	return v, nil
}

func (p *Provider) compare(v Verified, known Identity) (Verified, error) {
	if known.Subject == "" || known.ClientID != "" && known.ClientID != v.Identity.ClientID {
		return v, nil
	}
	if known.Issuer != "" && p.profile.canonicalIssuer(known.Issuer) != v.Identity.Issuer {
		return v, p.reject(ReasonIssuerChanged, "the ID token's issuer is not the one that the grant began with")
	}
	if known.Subject != v.Identity.Subject {
		return v, p.reject(ReasonSubjectChanged, "the ID token's subject is not the one that the grant began with")
	}
	v.Comparison = ComparisonSame
	return v, nil
}
