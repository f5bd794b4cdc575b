package providers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/regrant/regrant/secret"
)

// keySet verifies with the key that belongs to the token's algorithm: published
// keys for asymmetric ones, the client secret for HMAC. The two never mix; a
// public key taken for an HMAC secret is the oldest forgery there is.
type keySet struct {
	pinned  []jose.SignatureAlgorithm
	remote  oidc.KeySet // nil where no asymmetric algorithm is pinned
	secrets func() []secret.Value
}

var errSignature = errors.New("no key verifies the signature")

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	token, err := jose.ParseSignedCompact(raw, k.pinned)
	if err != nil || len(token.Signatures) != 1 {
		return nil, errSignature
	}
	if !slices.Contains(symmetric, token.Signatures[0].Header.Algorithm) {
		if k.remote == nil {
			return nil, errSignature
		}
		return k.remote.VerifySignature(ctx, raw)
	}
	for _, s := range k.secrets() {
		if payload, err := token.Verify([]byte(s.Reveal())); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

// fetching is how go-oidc begins the error of a failed key fetch; a test holds it
// to that.
const fetching = "fetching keys"

// signed returns the payload and the algorithm of a token whose signature is good.
func (p *Provider) signed(ctx context.Context, raw string) ([]byte, string, error) {
	token, err := jose.ParseSignedCompact(raw, p.keys.pinned)
	var other *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &other):
		return nil, "", p.reject(ReasonWrongAlgorithm, "the ID token's algorithm is not pinned in id_token_algs")
	case err != nil || len(token.Signatures) != 1:
		return nil, "", p.reject(ReasonMalformed, "the ID token is no signed JWT")
	}
	payload, err := p.keys.VerifySignature(ctx, raw)
	switch {
	case err == nil:
		return payload, token.Signatures[0].Header.Algorithm, nil
	case strings.HasPrefix(err.Error(), fetching):
		return nil, "", p.errorf("%w: check jwks_url and that the worker can reach it", ErrKeysUnavailable)
	}
	return nil, "", p.reject(ReasonWrongSignature, "no key of this provider verifies the ID token's signature")
}

// newKeySet makes the key set of a profile; the remote part caches its keys and
// fetches again when it meets a key id that it does not know.
func newKeySet(p Profile, secrets func() []secret.Value, fetch *fetcher, patience time.Duration) *keySet {
	k := &keySet{secrets: secrets}
	for _, alg := range p.IDTokenAlgs {
		k.pinned = append(k.pinned, jose.SignatureAlgorithm(alg))
	}
	if p.JWKSURL != "" {
		client := &http.Client{Transport: fetch, CheckRedirect: stay, Timeout: patience}
		k.remote = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), p.JWKSURL)
	}
	return k
}
