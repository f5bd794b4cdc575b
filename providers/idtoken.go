package providers

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/secret"
)

const (
	// skew is how far an ID token's `exp` may lie behind our clock.
	skew = 2 * time.Minute
	// early is how far its `nbf` may lie ahead.
	early = 3 * time.Minute
)

// Google's ID tokens bear either spelling (its OpenID Connect documentation).
const (
	googleIssuer  = "https://accounts.google.com"
	googleIssuer2 = "accounts.google.com"
)

// idToken is a token whose signature is good, in the parts that are checked
// (OIDC Core, 2 and 3.1.3.7).
type idToken struct {
	alg                      string
	claims                   claimSet
	issuer, subject          string
	party, nonce, accessHash string
	audience                 []string
	expires, notBefore       time.Time
}

// verified checks signature, algorithm, iss, aud, azp, exp, nbf and sub of a token
// that was received at a time. Errors are a Rejection or ErrKeysUnavailable. Key
// fetches take at most Budget.Deadline.
func (p *Provider) verified(ctx context.Context, raw secret.Value, received time.Time) (*idToken, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Budget.Deadline)
	defer cancel()
	payload, alg, err := p.signed(ctx, raw.Reveal())
	if err != nil {
		return nil, err
	}
	t, err := parseIDToken(payload)
	if err != nil {
		return nil, p.reject(ReasonMalformed, "the ID token's claims are not what they should be")
	}
	t.alg = alg
	t.issuer = p.profile.canonicalIssuer(t.issuer)
	return t, p.checkClaims(t, received)
}

func parseIDToken(payload []byte) (*idToken, error) {
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	t := &idToken{claims: c}
	for name, into := range map[string]*string{"iss": &t.issuer, "azp": &t.party, "nonce": &t.nonce, "at_hash": &t.accessHash} {
		if *into, err = c.text(name); err != nil {
			return nil, err
		}
	}
	for name, into := range map[string]*time.Time{"exp": &t.expires, "nbf": &t.notBefore} {
		if *into, err = c.time(name); err != nil {
			return nil, err
		}
	}
	if t.audience, err = c.audience(); err != nil {
		return nil, err
	}
	t.subject, err = c.subject()
	return t, err
}

// checkClaims: an ID token for several audiences names the one it was issued to.
// Whether it has expired is a question about the moment in which it was received: an
// answer that waited for the keys, or for a worker, proves what it proved then.
func (p *Provider) checkClaims(t *idToken, received time.Time) error {
	now := p.opts.Clock()
	if received.IsZero() || received.After(now) {
		received = now
	}
	switch {
	case t.issuer != p.profile.expectedIssuer():
		return p.reject(ReasonWrongIssuer, "the ID token's iss is another; check issuer and iss_override")
	case !slices.Contains(t.audience, p.profile.ClientID):
		return p.reject(ReasonWrongAudience, "the ID token's aud is another; check client_id")
	case t.party != "" && t.party != p.profile.ClientID, t.party == "" && len(t.audience) > 1:
		return p.reject(ReasonWrongParty, "the ID token was issued to another client (azp)")
	case t.expires.IsZero():
		return p.reject(ReasonMalformed, "the ID token has no exp")
	case t.expires.Before(received.Add(-skew)):
		return p.reject(ReasonExpired, "the ID token has expired; check this host's clock")
	case t.notBefore.After(now.Add(early)):
		return p.reject(ReasonNotYetValid, "the ID token's nbf is yet to come; check this host's clock")
	case t.subject == "":
		return p.reject(ReasonNoSubject, "the ID token names no subject")
	}
	return nil
}

// checkFlow checks what ties an ID token to one flow: the nonce, unless it is
// empty, and the hash of the access token, where the token bears one (OIDC Core,
// 3.1.3.6 and 3.1.3.7).
func (p *Provider) checkFlow(t *idToken, a *Answer, nonce string) error {
	if nonce != "" && t.nonce != nonce {
		return p.reject(ReasonWrongNonce, "the ID token's nonce is not the flow's")
	}
	if t.accessHash != "" && !a.AccessToken.IsZero() && t.accessHash != atHash(t.alg, a.AccessToken.Reveal()) {
		return p.reject(ReasonAtHash, "the ID token belongs to another access token (at_hash)")
	}
	return nil
}

// atHash is the left half of the hash that goes with the signature's algorithm.
func atHash(alg, accessToken string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "256"):
		h := sha256.Sum256([]byte(accessToken))
		sum = h[:]
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(accessToken))
		sum = h[:]
	default: // *512, and EdDSA with Ed25519
		h := sha512.Sum512([]byte(accessToken))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// canonicalIssuer makes one of Google's two spellings, so that both name one login.
func (p Profile) canonicalIssuer(iss string) string {
	if iss == googleIssuer2 && p.expectedIssuer() == googleIssuer {
		return googleIssuer
	}
	return iss
}
