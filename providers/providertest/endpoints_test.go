package providertest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func (b *bench) revoke(token string) answer {
	at := b.Endpoints("op")
	at.TokenURL = at.RevocationURL
	return post(b.http, at, url.Values{"token": {token}})
}

func (b *bench) get(address string) answer {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return do(b.http, req)
}

// claims verifies the token with the provider's published keys, as a client would.
func (b *bench) claims(token string) jwt.Claims {
	b.t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(b.get(b.Endpoints("op").JWKSURL).text), &keys); err != nil {
		b.t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		b.t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.Claims(keys, &claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}

func TestIDTokensVerifyWithThePublishedKey(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			b := start(t, Behaviour{IDTokens: true, Alg: alg})
			at := b.Endpoints("op")
			second := b.mustRefresh(b.Issue("op", "alice").RefreshToken)
			claims := b.claims(second.body.ID)
			if claims.Subject != "alice" || claims.Issuer != at.Issuer || !claims.Audience.Contains(at.ClientID) {
				t.Fatalf("claims %+v", claims)
			}
			if !claims.IssuedAt.Time().Equal(b.clock.Now()) {
				t.Fatal("iat is not the clock's")
			}
		})
	}
}

func TestHS256SignsWithTheClientSecretAndPublishesNothing(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, Alg: "HS256"})
	parsed, err := jwt.ParseSigned(b.Issue("op", "alice").IDToken, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.Claims([]byte(b.Endpoints("op").ClientSecret), &claims); err != nil || claims.Subject != "alice" {
		t.Fatalf("claims %+v, error %v", claims, err)
	}
	if got := b.get(b.Endpoints("op").JWKSURL).text; !strings.Contains(got, `"keys":[]`) {
		t.Fatalf("the JWKS publishes %s", got)
	}
}

func TestJWKSDown(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	b.JWKSDown(true)
	if a := b.get(b.Endpoints("op").JWKSURL); a.status != http.StatusServiceUnavailable {
		t.Fatalf("answered %d", a.status)
	}
	b.JWKSDown(false)
	if a := b.get(b.Endpoints("op").JWKSURL); a.status != http.StatusOK {
		t.Fatalf("answered %d", a.status)
	}
}

func TestOnlyTheConfiguredClientAuthenticationIsAccepted(t *testing.T) {
	for _, style := range []string{"basic", "post"} {
		t.Run(style, func(t *testing.T) {
			b := start(t, Behaviour{AuthStyle: style, ClientID: "a b", ClientSecret: "s%+:&é"})
			g := b.Issue("op", "alice")
			other, wrong := b.Endpoints("op"), b.Endpoints("op")
			other.AuthStyle = map[string]string{"basic": "post", "post": "basic"}[style]
			wrong.ClientSecret = "guess"
			for _, at := range []Endpoints{other, wrong} {
				a := post(b.http, at, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}})
				if a.status != http.StatusUnauthorized || a.body.Error != "invalid_client" {
					t.Fatalf("answered %d %s", a.status, a.text)
				}
			}
			if a := b.postBothStyles(g.RefreshToken); a.status != http.StatusUnauthorized {
				t.Fatalf("both styles at once were answered %d", a.status)
			}
			if a := b.mustRefresh(g.RefreshToken); a.header.Get("Cache-Control") != "no-store" {
				t.Fatal("an answer with tokens may be cached")
			}
			b.outcomes(Client, Client, Client, OK)
		})
	}
}

func (b *bench) postBothStyles(token string) answer {
	at, form := b.Endpoints("op"), refreshForm(token)
	form.Set("client_id", at.ClientID)
	form.Set("client_secret", at.ClientSecret)
	at.AuthStyle = "basic"
	return post(b.http, at, form)
}

func TestMalformedRequestsAreRecordedAndConsumeNothing(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	rt := g.RefreshToken
	for name, form := range map[string]url.Values{
		"no grant type": {"refresh_token": {rt}},
		"no credential": {"grant_type": {"refresh_token"}},
		"repeated":      {"grant_type": {"refresh_token"}, "refresh_token": {rt, rt}},
	} {
		if a := b.post(form); a.status != 400 || a.body.Error != "invalid_request" {
			t.Errorf("%s: answered %d %s", name, a.status, a.text)
		}
	}
	if a := b.post(url.Values{"grant_type": {"password"}}); a.body.Error != "unsupported_grant_type" {
		t.Errorf("answered %s", a.text)
	}
	if a := b.get(b.Endpoints("op").TokenURL + "?grant_type=refresh_token&refresh_token=" + rt); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET answered %d", a.status)
	}
	at := b.Endpoints("op")
	at.TokenURL += "?" + refreshForm(rt).Encode() // RFC 6749, 3.2: not in the query
	if a := post(b.http, at, url.Values{}); a.status != 400 {
		t.Errorf("a credential in the query was answered %d", a.status)
	}
	b.outcomes(Malformed, Malformed, Malformed, Refused, Malformed)
	b.mustRefresh(rt)
}

func TestACredentialIsGoodAtItsOwnProviderAndInItsOwnRoleOnly(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	code, _ := b.IssueCode("op", "bob")
	b.mustDie(code)
	if a := b.exchange(g.RefreshToken); a.status != 400 {
		t.Fatal("a refresh token passed as a code")
	}
	b.outcomes(Refused, Refused)
	s, err := Start(Config{Providers: map[string]Behaviour{"one": {ClientSecret: "s"}, "two": {ClientSecret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	there := s.Issue("one", "alice")
	a := post(b.http, s.Endpoints("two"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {there.RefreshToken}})
	if a.status != 400 || !s.Alive(there.Bearer) {
		t.Fatalf("a foreign refresh token was answered %d", a.status)
	}
}

func TestResourceCountsUsesAndRefusals(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	b.resource(g.Bearer)
	b.Kill(g.Family)
	if a := b.resource(g.Bearer); a.status != 401 || a.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
		t.Fatalf("answered %d %s", a.status, a.header)
	}
	if a := b.resource("unheard-of"); a.status != 401 {
		t.Fatalf("answered %d", a.status)
	}
	if state := b.state(g.Family); state.Uses != 1 || state.Denied != 1 {
		t.Fatalf("state %+v", state)
	}
}

func TestCodesScopeNonceAndRefreshExpiry(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, RefreshTTL: day, RefreshExpiryField: "refresh_token_expires_in"})
	code, family := b.IssueCode("op", "alice", WithScope("accounts"), WithNonce("n-1"))
	first := b.exchange(code)
	if first.status != 200 || first.body.Scope != "accounts" || first.body.Ends != 86400 {
		t.Fatalf("answered %d %s", first.status, first.text)
	}
	b.mustRefresh(first.body.Refresh)
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if got := ledger.Presentations(Filter{Family: family, Kind: KindCode}); len(got) != 1 || got[0].Serial != 0 {
		t.Fatalf("the code's presentations are %+v", got)
	}
	late, _ := b.IssueCode("op", "alice")
	b.clock.Add(10 * time.Minute)
	if a := b.exchange(late); a.status != 400 {
		t.Fatal("an expired code was good")
	}
}

func TestACodeThatComesBackRevokesWhatItGaveWhateverReuseDoesElsewhere(t *testing.T) {
	b := start(t, Behaviour{OnReuse: Refuse, Grace: time.Hour, Rotation: None})
	code, family := b.IssueCode("op", "alice")
	first := b.exchange(code)
	if again := b.exchange(code); again.status != 400 || !b.state(family).Revoked || b.Alive(first.body.Access) {
		t.Fatalf("answered %d, %+v", again.status, b.state(family))
	}
	b.outcomes(OK, ReuseRevoked)
}

func TestRevocationIsIdempotentAndNeedsTheClient(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	at := b.Endpoints("op")
	at.TokenURL, at.ClientSecret = at.RevocationURL, "guess"
	if a := post(b.http, at, url.Values{"token": {g.RefreshToken}}); a.status != 401 || !b.Alive(g.Bearer) {
		t.Fatalf("answered %d", a.status)
	}
	for range 2 {
		if a := b.revoke(g.AccessToken); a.status != 200 || b.Alive(g.Bearer) {
			t.Fatalf("answered %d", a.status)
		}
	}
	if a := b.revoke("unheard-of"); a.status != 200 {
		t.Fatalf("answered %d", a.status)
	}
}

func TestIssuedListsEverySecret(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	all := "\n" + strings.Join(b.Issued(), "\n") + "\n"
	for _, text := range []string{g.RefreshToken, g.AccessToken, g.IDToken, second.body.Refresh, second.body.Access, second.body.ID, b.Endpoints("op").ClientSecret} {
		if !strings.Contains(all, "\n"+text+"\n") {
			t.Fatal("a secret is missing from Issued")
		}
	}
}
