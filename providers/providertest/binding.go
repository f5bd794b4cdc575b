package providertest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"regexp"
)

// binding is what a code was asked for with. A nil one binds to nothing.
type binding struct {
	redirectURI string
	challenge   string // PKCE, S256
}

// proof is what is shown beside a code at the token endpoint.
type proof struct {
	redirectURI string
	verifier    string
}

// verifierSyntax is RFC 7636, 4.1: a short one can be guessed, whatever it hashes to.
var verifierSyntax = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// challengeSyntax is a SHA-256 in base64url without padding.
var challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// check is RFC 6749, 4.1.3 and RFC 7636, 4.6.
func (b *binding) check(with proof) Outcome {
	switch {
	case b == nil:
		return OK
	case with.redirectURI != b.redirectURI:
		return WrongRedirect
	case !verifierSyntax.MatchString(with.verifier) || !matchesChallenge(with.verifier, b.challenge):
		return WrongVerifier
	}
	return OK
}

func matchesChallenge(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}

// proofIn reads the proof, and notes the verifier for Seen.
func (p *provider) proofIn(form url.Values) proof {
	return proof{redirectURI: form.Get("redirect_uri"), verifier: p.shown(form.Get("code_verifier"))}
}
