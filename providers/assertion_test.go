package providers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func keyFile(t *testing.T, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client.key")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// asserting refreshes at a server that wants an assertion, and returns what it got.
func asserting(t *testing.T, change func(*Profile)) (Outcome, []http.Header, []map[string][]string) {
	t.Helper()
	var mu sync.Mutex
	var headers []http.Header
	var forms []map[string][]string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = r.ParseForm()
		headers, forms = append(headers, r.Header.Clone()), append(forms, r.PostForm)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":60}`))
	})
	p := profileAt(t, s.URL)
	p.AuthStyle, p.ClientSecretFile, p.ClientKeyID = AuthPrivateKeyJWT, "", "key-1"
	change(&p)
	provider := open(t, p, Options{})
	first := refresh(t, provider)
	refresh(t, provider)
	mu.Lock()
	defer mu.Unlock()
	return first, headers, forms
}

// The server verifies with the public key alone: each request has an assertion of its
// own, for its endpoint and for a short time, and no secret beside it.
func TestPrivateKeyJWT(t *testing.T) {
	r := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	e := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(k any) []byte { return pemOf("PRIVATE KEY", must[[]byte](t)(x509.MarshalPKCS8PrivateKey(k))) }
	jwk := must[[]byte](t)(json.Marshal(jose.JSONWebKey{Key: e}))
	for name, c := range map[string]struct {
		key  []byte
		alg  string // configured
		want jose.SignatureAlgorithm
		pub  crypto.PublicKey
	}{
		"PKCS #8, RSA":     {pkcs8(r), "", jose.RS256, r.Public()},
		"PKCS #1, PS256":   {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), "PS256", jose.PS256, r.Public()},
		"SEC 1, P-256":     {pemOf("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(e))), "", jose.ES256, e.Public()},
		"PKCS #8, Ed25519": {pkcs8(ed), "", jose.EdDSA, ed.Public()},
		"JWK":              {jwk, "", jose.ES256, e.Public()},
	} {
		t.Run(name, func(t *testing.T) {
			out, headers, forms := asserting(t, func(p *Profile) { p.ClientKeyFile, p.ClientKeyAlg = keyFile(t, c.key), c.alg })
			if out.Class != OK || len(forms) != 2 {
				t.Fatalf("%v, %d requests", out, len(forms))
			}
			ids := map[string]bool{}
			for i, form := range forms {
				if headers[i].Get("Authorization") != "" || form["client_secret"] != nil || form["client_assertion_type"][0] != assertionType {
					t.Errorf("request %d authenticates otherwise: %v", i, form["client_assertion_type"])
				}
				token, err := jwt.ParseSigned(form["client_assertion"][0], []jose.SignatureAlgorithm{c.want})
				if err != nil {
					t.Fatal(err)
				}
				var got jwt.Claims
				if err := token.Claims(c.pub, &got); err != nil || token.Headers[0].KeyID != "key-1" {
					t.Fatalf("signature, or kid %q: %v", token.Headers[0].KeyID, err)
				}
				if got.Issuer != "client-1" || got.Subject != "client-1" || !strings.HasSuffix(got.Audience[0], "/token") || ids[got.ID] ||
					time.Until(got.Expiry.Time()) > 3*time.Minute || time.Until(got.Expiry.Time()) < time.Minute {
					t.Errorf("claims %+v", got)
				}
				ids[got.ID] = true
			}
		})
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	e := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	public := must[[]byte](t)(json.Marshal(jose.JSONWebKey{Key: e.Public()}))
	good := pemOf("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(e)))
	for name, c := range map[string]struct{ file, alg, want string }{
		"no file":      {filepath.Join(t.TempDir(), "none"), "", "client_key_file"},
		"no key":       {keyFile(t, []byte(canary)), "", "client_key_file"},
		"a public key": {keyFile(t, public), "", "client_key_file"},
		"other key":    {keyFile(t, good), "RS256", "client_key_alg"},
		"an HMAC":      {keyFile(t, good), "HS256", "client_key_alg"},
		"not set":      {"", "", "client_key_file"},
	} {
		p := profileAt(t, "http://127.0.0.1:1")
		p.AuthStyle, p.ClientSecretFile, p.ClientKeyFile, p.ClientKeyAlg = AuthPrivateKeyJWT, "", c.file, c.alg
		_, err := New("op", p, Options{})
		if err == nil || !strings.Contains(err.Error(), "providers.op."+c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want an error about %s", name, err, c.want)
		}
	}
}

// The server's handshake wants a certificate of its authority; only the token
// endpoint is shown it.
func TestMTLS(t *testing.T) {
	cert, key, pool := authority(t)
	var seen []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		seen = append(seen, r.TLS.PeerCertificates[0].Subject.CommonName, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"a","token_type":"Bearer"}`))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	p := profileAt(t, s.URL)
	p.AuthStyle, p.ClientSecretFile = AuthMTLS, ""
	p.ClientCertFile, p.ClientKeyFile = keyFile(t, cert), keyFile(t, key)
	if out := refresh(t, open(t, p, Options{RootCAs: roots})); out.Class != OK {
		t.Fatalf("%v", out)
	}
	if len(seen) != 3 || seen[0] != "client-1" || seen[1] != "client-1" || seen[2] != "" {
		t.Errorf("the server saw %q", seen)
	}
	p.ClientCertFile = keyFile(t, key)
	if _, err := New("op", p, Options{}); err == nil || !strings.Contains(err.Error(), "client_cert_file") {
		t.Errorf("a key for a certificate: %v", err)
	}
}

// authority signs one client certificate.
func authority(t *testing.T) (cert, key []byte, pool *x509.CertPool) {
	t.Helper()
	k := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client-1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, k.Public(), k))
	pool = x509.NewCertPool()
	pool.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(der)))
	return pemOf("CERTIFICATE", der), pemOf("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(k))), pool
}
