package providers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/regrant/regrant/secret"
)

// issuer signs ID tokens and publishes its keys, while it is up.
type issuer struct {
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
	down   atomic.Bool
	served atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{rsa: r, ec: e}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.served.Add(1)
	if i.down.Load() {
		http.Error(w, canary, http.StatusBadGateway)
		return
	}
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: i.rsa.Public(), KeyID: "r"}, {Key: i.ec.Public(), KeyID: "e"},
	}})
}

type claims map[string]any

func sign(t *testing.T, alg jose.SignatureAlgorithm, kid string, key any, c claims) secret.Value {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(c)
	token, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := token.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(raw)
}

var login = Identity{Issuer: "https://op.example", Subject: "sub-1", ClientID: "client-1"}

// standard is a good token's claims, with changes (nil removes).
func standard(changes claims) claims {
	now := time.Now().Unix()
	c := claims{"iss": login.Issuer, "sub": login.Subject, "aud": "client-1", "iat": now, "exp": now + 600}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func verifier(t *testing.T, i *issuer, change func(*Profile)) *Provider {
	t.Helper()
	s := serve(t, i.ServeHTTP)
	p := profileAt(t, s.URL)
	p.JWKSURL, p.Issuer, p.IDTokenAlgs = s.URL+"/keys", login.Issuer, []string{"RS256", "HS256"}
	if change != nil {
		change(&p)
	}
	return open(t, p, Options{})
}

func TestVerify(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	rs := func(changes claims) secret.Value { return sign(t, jose.RS256, "r", i.rsa, standard(changes)) }
	stranger := newIssuer(t)
	cases := []struct {
		name  string
		token secret.Value
		known Identity
		want  error
		same  bool
	}{
		{"same", rs(nil), login, nil, true},
		{"same by client secret", sign(t, jose.HS256, "", []byte(secretCanary), standard(nil)), login, nil, true},
		{"several audiences with azp", rs(claims{"aud": []string{"client-1", "x"}, "azp": "client-1"}), login, nil, true},
		{"slightly expired", rs(claims{"exp": time.Now().Add(-time.Minute).Unix()}), login, nil, true},
		{"nothing known", rs(nil), Identity{}, nil, false},
		{"another registration", rs(claims{"sub": "pairwise-2"}), Identity{login.Issuer, "sub-1", "old-client"}, nil, false},
		{"none given", secret.Value{}, login, nil, false},
		{"other subject", rs(claims{"sub": "sub-2"}), login, ErrHostile, false},
		{"other known issuer", rs(nil), Identity{"https://was.example", "sub-1", "client-1"}, ErrHostile, false},
		{"other issuer", rs(claims{"iss": "https://evil.example"}), login, ErrHostile, false},
		{"other audience", rs(claims{"aud": "client-2"}), login, ErrHostile, false},
		{"several audiences", rs(claims{"aud": []string{"client-1", "x"}}), login, ErrHostile, false},
		{"other party", rs(claims{"azp": "client-2"}), login, ErrHostile, false},
		{"expired", rs(claims{"exp": time.Now().Add(-time.Hour).Unix()}), login, ErrHostile, false},
		{"no expiry", rs(claims{"exp": nil}), login, ErrHostile, false},
		{"not yet", rs(claims{"nbf": time.Now().Add(time.Hour).Unix()}), login, ErrHostile, false},
		{"no subject", rs(claims{"sub": nil}), Identity{}, ErrHostile, false},
		{"another's key", sign(t, jose.RS256, "r", stranger.rsa, standard(nil)), login, ErrHostile, false},
		{"algorithm not pinned", sign(t, jose.ES256, "e", i.ec, standard(nil)), login, ErrHostile, false},
		{"another secret", sign(t, jose.HS256, "", []byte(strings.Repeat("x", 32)), standard(nil)), login, ErrHostile, false},
		{"public key as secret", sign(t, jose.HS256, "r", x509.MarshalPKCS1PublicKey(&i.rsa.PublicKey), standard(nil)), login, ErrHostile, false},
		{"unsigned", secret.New(unsigned(standard(nil))), login, ErrHostile, false},
		{"not a JWT", secret.New(canary), login, ErrHostile, false},
		{"cut", secret.New(rs(nil).Reveal()[:100]), login, ErrHostile, false},
	}
	for _, c := range cases {
		v, err := p.Verify(t.Context(), &Answer{IDToken: c.token}, c.known)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if (v.Comparison == ComparisonSame) != c.same {
			t.Errorf("%s: comparison %s", c.name, v.Comparison)
		}
		if c.want == nil && !c.token.IsZero() && (v.Identity.Subject == "" || v.ExpiresAt.IsZero()) {
			t.Errorf("%s: %+v", c.name, v)
		}
		if err != nil {
			for _, leak := range []string{"sub-1", "sub-2", canary, "evil", "client-2", c.token.Reveal()} {
				if leak != "" && strings.Contains(err.Error(), leak) {
					t.Errorf("%s: the error names %s: %v", c.name, leak, err)
				}
			}
		}
	}
}

func unsigned(c claims) string {
	body, _ := json.Marshal(c)
	return strings.Replace(fakeJWT(string(body)), fakeJWT("")[:strings.Index(fakeJWT(""), ".")], "eyJhbGciOiJub25lIn0", 1)
}

func TestKeysOutOfReach(t *testing.T) {
	i := newIssuer(t)
	i.down.Store(true)
	p := verifier(t, i, nil)
	token := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(nil))}
	_, err := p.Verify(t.Context(), token, login)
	if !errors.Is(err, ErrKeysUnavailable) || errors.Is(err, ErrHostile) || strings.Contains(err.Error(), canary) {
		t.Fatalf("keys down: %v", err)
	}
	i.down.Store(false)
	v, err := p.Verify(t.Context(), token, login)
	for errors.Is(err, ErrKeysUnavailable) { // the library may still hand out the fetch that failed
		runtime.Gosched()
		v, err = p.Verify(t.Context(), token, login)
	}
	if err != nil || v.Comparison != ComparisonSame {
		t.Fatalf("keys back: %v", err)
	}
	i.down.Store(true)
	served := i.served.Load()
	if _, err := p.Verify(t.Context(), token, login); err != nil || i.served.Load() != served {
		t.Fatalf("cached keys: %v", err)
	}
	p.Close()
	p.Close()
	other := &Answer{IDToken: sign(t, jose.RS256, "new", i.rsa, standard(nil))}
	if _, err := p.Verify(t.Context(), other, login); !errors.Is(err, ErrKeysUnavailable) {
		t.Fatalf("after Close: %v", err)
	}
}

func TestKeysAreFetchedUnderTheSameRules(t *testing.T) {
	i := newIssuer(t)
	keys := serve(t, i.ServeHTTP)
	token := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(nil))}
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, keys.URL, http.StatusFound) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[],"x":"`+strings.Repeat("x", maxBody)+`"}`)
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+canary) },
	} {
		s := serve(t, h)
		p := verifier(t, i, func(p *Profile) { p.JWKSURL = s.URL })
		if _, err := p.Verify(t.Context(), token, login); !errors.Is(err, ErrKeysUnavailable) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys.posts.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestDemandedIDTokenIsMissed(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, func(p *Profile) { p.IDTokenOnRefresh = IDTokenRequired })
	if _, err := p.Verify(t.Context(), &Answer{}, login); !errors.Is(err, ErrHostile) {
		t.Fatal(err)
	}
}

func TestNothingPinnedProvesNothing(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, func(p *Profile) { p.IDTokenAlgs, p.JWKSURL = nil, "" })
	v, err := p.Verify(t.Context(), &Answer{IDToken: secret.New("x.y.z")}, login)
	if err != nil || v.Identity != (Identity{}) || v.Comparison != ComparisonUnknown || v.Claims != nil {
		t.Fatalf("%+v, %v", v, err)
	}
}

func TestIssuerThatIsNoURL(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, func(p *Profile) { p.IssOverride = "/sandbox" })
	token := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(claims{"iss": "/sandbox"}))}
	if v, err := p.Verify(t.Context(), token, Identity{"/sandbox", "sub-1", "client-1"}); err != nil || v.Comparison != ComparisonSame {
		t.Fatalf("%+v, %v", v, err)
	}
}

// An answer that was saved while the keys were away is verified hours later: it is not
// forged because its ID token has expired since.
func TestAnIDTokenIsJudgedAsOfWhenItCame(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	received := time.Now().Add(-3 * time.Hour)
	token := sign(t, jose.RS256, "r", i.rsa, standard(claims{"iat": received.Unix(), "exp": received.Add(5 * time.Minute).Unix()}))
	if v, err := p.Verify(t.Context(), &Answer{IDToken: token, RequestedAt: received}, login); err != nil || v.Comparison != ComparisonSame {
		t.Errorf("received while it lived: %v", err)
	}
	for name, at := range map[string]time.Time{"after its end": received.Add(time.Hour), "in the future": time.Now().Add(time.Hour), "unknown": {}} {
		var rejected *Rejection
		if _, err := p.Verify(t.Context(), &Answer{IDToken: token, RequestedAt: at}, login); !errors.As(err, &rejected) || rejected.Reason != ReasonExpired {
			t.Errorf("received %s: %v, want %s", name, err, ReasonExpired)
		}
	}
}
