package providertest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	callback  = "https://app.example/callback"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// authorizeURL is a good request with changes: name, value, name, value; an empty
// value removes the parameter.
func (b *bench) authorizeURL(changes ...string) string { return b.authorizeURLAt("op", changes...) }

func (b *bench) authorizeURLAt(provider string, changes ...string) string {
	at := b.Endpoints(provider)
	query := url.Values{
		"response_type": {"code"}, "client_id": {at.ClientID}, "redirect_uri": {callback},
		"state": {"s-1"}, "nonce": {"n-1"}, "scope": {"openid accounts"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for change := range slices.Chunk(changes, 2) {
		query.Set(change[0], change[1])
		if change[1] == "" {
			query.Del(change[0])
		}
	}
	return at.AuthorizeURL + "?" + query.Encode()
}

func (b *bench) mustConsent(authorizeURL, sub string, options ...ConsentOption) Callback {
	b.t.Helper()
	back, err := b.Consent(authorizeURL, sub, options...)
	if err != nil {
		b.t.Fatal(err)
	}
	return back
}

// redeem shows the code with its proof.
func (b *bench) redeem(code string) answer { return b.redeemWith(code, callback, verifier) }

func (b *bench) redeemWith(code, redirectURI, verifier string) answer {
	return b.post(url.Values{
		"grant_type": {KindCode}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

func TestConsentSendsCodeStateAndIss(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	back := b.mustConsent(b.authorizeURL("redirect_uri", callback+"?keep=1"), "alice")
	if back.Code == "" || back.State != "s-1" || back.Iss != b.Endpoints("op").Issuer || back.Error != "" {
		t.Fatalf("%+v", back)
	}
	if !strings.HasPrefix(back.URL.String(), callback+"?keep=1&") {
		t.Fatalf("sent to %s", back.URL)
	}
	first := b.redeemWith(back.Code, callback+"?keep=1", verifier)
	if first.status != 200 || first.body.Scope != "openid accounts" {
		t.Fatalf("answered %d %s", first.status, first.text)
	}
	claims := b.allClaims(first.body.ID)
	if claims["sub"] != "alice" || claims["nonce"] != "n-1" {
		t.Fatalf("claims %v", claims)
	}
}

func TestIssIsLeftOutWhereTheProviderOmitsIt(t *testing.T) {
	b := start(t, Behaviour{OmitIss: true})
	if back := b.mustConsent(b.authorizeURL(), "alice"); back.URL.Query().Has("iss") {
		t.Fatalf("sent to %s", back.URL)
	}
}

func TestAWrongIssInTheRedirect(t *testing.T) {
	b := start(t, Behaviour{})
	b.Script("op", Fault{Endpoint: AuthorizeEndpoint, When: After, Kind: WrongIssuer})
	b.Script("op", Fault{Endpoint: AuthorizeEndpoint, When: After, Kind: WrongIssuer})
	if back := b.mustConsent(b.authorizeURL(), "alice"); back.Iss != wrongIssuer || back.Code == "" || back.State != "s-1" {
		t.Fatalf("%+v", back)
	}
	if back := b.mustConsent(b.authorizeURL(), "alice", Deny("")); back.Iss != wrongIssuer || back.Error != "access_denied" {
		t.Fatalf("%+v", back)
	}
}

func TestRequestsThatAreNeverRedirected(t *testing.T) {
	b := start(t, Behaviour{RedirectURIs: []string{callback, "http://127.0.0.1:9/cb"}})
	good := b.authorizeURL()
	for name, address := range map[string]string{
		"unknown client":     b.authorizeURL("client_id", "guess"),
		"no client":          b.authorizeURL("client_id", ""),
		"other redirect":     b.authorizeURL("redirect_uri", callback+"/"),
		"other case":         b.authorizeURL("redirect_uri", strings.ToUpper(callback)),
		"other port":         b.authorizeURL("redirect_uri", "http://127.0.0.1:10/cb"),
		"no redirect":        b.authorizeURL("redirect_uri", ""),
		"redirect repeated":  good + "&redirect_uri=" + url.QueryEscape(callback),
		"client id repeated": good + "&client_id=x",
	} {
		if back, err := b.Consent(address, "alice"); err == nil {
			t.Errorf("%s: sent to %s", name, back.URL)
		}
	}
	b.mustConsent(b.authorizeURL("redirect_uri", "http://127.0.0.1:9/cb"), "alice")
}

func TestWithoutARegistrationAnyWebAddressWillDo(t *testing.T) {
	b := start(t, Behaviour{})
	for _, to := range []string{"http://127.0.0.1:40123/cb", "http://[::1]:1/", "https://app.example"} {
		b.mustConsent(b.authorizeURL("redirect_uri", to), "alice")
	}
	for _, to := range []string{"/cb", "com.example:/cb", "javascript://x/%0aalert(1)", callback + "#f", callback + "#", "http://%", "http:///cb", "https:"} {
		if back, err := b.Consent(b.authorizeURL("redirect_uri", to), "alice"); err == nil {
			t.Errorf("%s: sent to %s", to, back.URL)
		}
	}
}

func TestErrorsThatAreRedirected(t *testing.T) {
	b := start(t, Behaviour{})
	for name, test := range map[string]struct{ address, want string }{
		"no response type":     {b.authorizeURL("response_type", ""), "invalid_request"},
		"implicit":             {b.authorizeURL("response_type", "token"), "unsupported_response_type"},
		"plain":                {b.authorizeURL("code_challenge_method", "plain"), "invalid_request"},
		"no method is plain":   {b.authorizeURL("code_challenge_method", ""), "invalid_request"},
		"no challenge":         {b.authorizeURL("code_challenge", ""), "invalid_request"},
		"challenge, padded":    {b.authorizeURL("code_challenge", challenge+"="), "invalid_request"},
		"parameter repeated":   {b.authorizeURL() + "&nonce=n-2", "invalid_request"},
		"prompt none, no user": {b.authorizeURL("prompt", "none"), "login_required"},
	} {
		back := b.mustConsent(test.address, "alice")
		if back.Error != test.want || back.Code != "" || back.State != "s-1" || back.Iss == "" {
			t.Errorf("%s: %+v", name, back)
		}
	}
}

func TestTheUserMaySayNo(t *testing.T) {
	b := start(t, Behaviour{})
	if back := b.mustConsent(b.authorizeURL("state", ""), "alice", Deny("")); back.Error != "access_denied" || back.URL.Query().Has("state") {
		t.Fatalf("%+v", back)
	}
	if back := b.mustConsent(b.authorizeURL(), "alice", Deny("temporarily_unavailable")); back.Error != "temporarily_unavailable" {
		t.Fatalf("%+v", back)
	}
}

func TestTheUserDecidesWhatIsGranted(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	back := b.mustConsent(b.authorizeURL(), OddSub,
		WithScope("openid"), WithAccounts("a-2", "a-1"), WithCustomer("c-1"), WithClaims(map[string]any{"tier": "gold", "sub": "mallory"}))
	first := b.redeem(back.Code)
	if first.body.Scope != "openid" {
		t.Fatalf("scope %q", first.body.Scope)
	}
	claims := b.allClaims(first.body.ID)
	if claims["sub"] != OddSub || claims["tier"] != "gold" {
		t.Fatalf("claims %v", claims)
	}
	if got := b.getWith(b.Endpoints("op").AccountsURL, first.body.Access).text; got != `{"accounts":[{"accountId":"a-2"},{"accountId":"a-1"}]}` {
		t.Fatalf("accounts %s", got)
	}
	if got := b.getWith(b.Endpoints("op").CustomerURL, first.body.Access).text; got != `{"customerId":"c-1"}` {
		t.Fatalf("customer %s", got)
	}
}

func TestWrongAndMissingNonceOfAConsent(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	wrong := b.redeem(b.mustConsent(b.authorizeURL(), "alice", WithNonce("n-2")).Code)
	none := b.redeem(b.mustConsent(b.authorizeURL(), "alice", WithoutNonce()).Code)
	if got := b.allClaims(wrong.body.ID)["nonce"]; got != "n-2" {
		t.Fatalf("nonce %v", got)
	}
	if _, ok := b.allClaims(none.body.ID)["nonce"]; ok {
		t.Fatal("there is a nonce")
	}
}

func TestAuthorizeFaults(t *testing.T) {
	b := start(t, Behaviour{})
	b.Script("op", Fault{Endpoint: AuthorizeEndpoint, Kind: Status500}, Fault{Endpoint: AuthorizeEndpoint, Kind: CloseNoReply, When: After})
	for range 2 {
		if back, err := b.Consent(b.authorizeURL(), "alice"); err == nil {
			t.Fatalf("sent to %s", back.URL)
		}
	}
	if b.Scripted("op") != 0 {
		t.Fatal("a fault was left over")
	}
	b.outcomes() // a consent presents nothing
}

func TestFamilyOf(t *testing.T) {
	b := start(t, Behaviour{})
	back := b.mustConsent(b.authorizeURL(), "alice")
	family, ok := b.FamilyOf(back.Code)
	if !ok || b.state(family).Sub != "alice" || b.state(family).Serial != 0 {
		t.Fatalf("family %q", family)
	}
	first := b.redeem(back.Code)
	for _, token := range []string{first.body.Access, first.body.Refresh} {
		if got, ok := b.FamilyOf(token); !ok || got != family {
			t.Fatalf("family %q, want %q", got, family)
		}
	}
	if _, ok := b.FamilyOf("unheard-of"); ok {
		t.Fatal("a family for nothing")
	}
}

// getWith asks with a bearer.
func (b *bench) getWith(address, bearer string) answer {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	return do(b.http, req)
}
