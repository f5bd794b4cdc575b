package providers

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionLife is how long a client assertion may be shown: it goes out at once.
const assertionLife = 2 * time.Minute

// assertionType is that of a JWT (RFC 7523, 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserter proves who we are by signing instead of by showing a secret (RFC 7523;
// private_key_jwt in OIDC Core, 9). Each request gets an assertion of its own.
type asserter struct {
	signer           jose.Signer
	client, audience string
	clock            func() time.Time
}

// newAsserter reads the client's key; nil where the profile signs nothing.
func newAsserter(p Profile, o Options) (*asserter, error) {
	if p.AuthStyle != AuthPrivateKeyJWT && p.CodeAuthStyle != AuthPrivateKeyJWT {
		return nil, nil
	}
	key, err := readKey(fileAt(p.ClientKeyFile, o.BaseDir))
	if err != nil {
		return nil, fmt.Errorf("client_key_file: %w", err)
	}
	alg, err := algorithmOf(key)
	if err != nil {
		return nil, fmt.Errorf("client_key_file: %w", err)
	}
	if p.ClientKeyAlg != "" {
		alg = jose.SignatureAlgorithm(p.ClientKeyAlg)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: p.ClientKeyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("client_key_alg: the key does not sign with %s; leave it out, or name one that fits the key", alg)
	}
	a := &asserter{signer: signer, client: p.ClientID, audience: p.ClientAssertionAudience, clock: o.Clock}
	if a.audience == "" {
		a.audience = p.TokenURL
	}
	return a, nil
}

// assertion is a fresh one.
func (a *asserter) assertion() (string, error) {
	now := a.clock()
	return jwt.Signed(a.signer).Claims(jwt.Claims{
		Issuer: a.client, Subject: a.client, Audience: jwt.Audience{a.audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
}

// sign puts an assertion into a request's form.
func (a *asserter) sign(req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	assertion, err := a.assertion()
	if err != nil {
		return err
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	text := []byte(form.Encode())
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return nil
}

func fileAt(file, dir string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// errKey never says what the file holds.
var errKey = errors.New("is no private key in PEM (PKCS #8, PKCS #1, SEC 1) or JWK")

func readKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: put the client's private key into that file, mode 0600", err)
	}
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		var k jose.JSONWebKey
		if json.Unmarshal(text, &k) != nil {
			return nil, errKey
		}
		return signerOf(k.Key)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errKey
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return signerOf(key)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errKey
}

func signerOf(key any) (crypto.Signer, error) {
	if s, ok := key.(crypto.Signer); ok {
		return s, nil
	}
	return nil, errKey
}

func algorithmOf(key crypto.Signer) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return jose.RS256, nil
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	case *ecdsa.PrivateKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	}
	return "", errKey
}

// certificate is what the client shows in the TLS handshake (RFC 8705); none where
// the profile does not authenticate so.
func certificate(p Profile, o Options) ([]tls.Certificate, error) {
	if p.AuthStyle != AuthMTLS && p.CodeAuthStyle != AuthMTLS {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(fileAt(p.ClientCertFile, o.BaseDir), fileAt(p.ClientKeyFile, o.BaseDir))
	if err != nil {
		return nil, errors.New("client_cert_file: certificate and client_key_file cannot be read as a PEM pair; see that both are there and belong together")
	}
	return []tls.Certificate{c}, nil
}
