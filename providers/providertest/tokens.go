package providertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// opaque makes a random credential of n characters that says nothing about itself.
func opaque(n int) string {
	var text strings.Builder
	for text.Len() < n {
		text.WriteString(rand.Text())
	}
	return text.String()[:n]
}

// The signing keys of a process: making RSA keys costs more than most tests.
var (
	rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	ecKey  = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
)

// signingKey is what a provider signs with under b.Alg.
func signingKey(b Behaviour) (jose.JSONWebKey, error) {
	key := jose.JSONWebKey{KeyID: b.Alg, Algorithm: b.Alg, Use: "sig"}
	var err error
	switch b.Alg {
	case "RS256":
		key.Key, err = rsaKey()
	case "ES256":
		key.Key, err = ecKey()
	case "HS256":
		key.Key = []byte(b.ClientSecret) // OIDC Core, 10.1
	}
	if err != nil {
		return key, fmt.Errorf("make %s key: %w", b.Alg, err)
	}
	return key, nil
}

// foreignKey has the id of the provider's key and is another.
func foreignKey(alg string) (jose.JSONWebKey, error) {
	key := jose.JSONWebKey{KeyID: alg, Algorithm: alg}
	var err error
	switch alg {
	case "RS256":
		key.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		key.Key = []byte(opaque(48))
	}
	return key, err
}

// signFunc turns claims into a compact JWS of the given typ.
type signFunc func(typ string, claims map[string]any) (string, error)

func signer(key jose.JSONWebKey) signFunc {
	return func(typ string, claims map[string]any) (string, error) {
		// The library names a symmetric key only if told so.
		options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", key.KeyID)
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
		if err != nil {
			return "", fmt.Errorf("sign %s: %w", typ, err)
		}
		return jwt.Signed(s).Claims(claims).Serialize()
	}
}

// publicKeys is the provider's JWKS; a shared secret is never in it.
func publicKeys(key jose.JSONWebKey) jose.JSONWebKeySet {
	if _, asymmetric := key.Key.(crypto.Signer); !asymmetric {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
}

// idClaims have a jti, so that two ID tokens of one second differ: they are
// bearers in places. Custom claims never hide the standard ones.
func (f *family) idClaims(now time.Time) map[string]any {
	claims := maps.Clone(f.terms.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	maps.Copy(claims, map[string]any{
		"iss": f.at.endpoints.Issuer, "aud": f.at.behaviour.ClientID, "sub": f.owner.sub, "jti": opaque(16),
		"iat": now.Unix(), "exp": now.Add(f.at.behaviour.IDTTL).Unix(),
	})
	if f.terms.Nonce != "" {
		claims["nonce"] = f.terms.Nonce
	}
	return claims
}

func (p *provider) idToken(claims map[string]any, sign signFunc) (string, error) {
	return p.note(sign("JWT", claims))
}

func (f *family) accessToken(now time.Time) (string, error) {
	b := f.at.behaviour
	if !b.AccessJWT {
		return f.at.note(opaque(b.AccessLen), nil)
	}
	return f.at.note(f.at.sign("at+jwt", map[string]any{
		"iss": f.at.endpoints.Issuer, "aud": f.at.endpoints.ResourceURL, "sub": f.owner.sub, "jti": opaque(16),
		"client_id": b.ClientID, "scope": f.terms.Scope, "iat": now.Unix(), "exp": now.Add(b.AccessTTL).Unix(),
	}))
}

// note keeps a token for Issued.
func (p *provider) note(token string, err error) (string, error) {
	if err == nil && !p.forgets {
		p.tokens.Store(token, nil)
	}
	return token, err
}
