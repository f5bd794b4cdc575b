package providers

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var flow = AuthorizeRequest{
	State: "state-1", Nonce: "nonce-1", Challenge: strings.Repeat("Ab-_", 10) + "xyz", RedirectURI: callback,
}

func authorizing(t *testing.T, change func(*Profile)) *Provider {
	t.Helper()
	p := profileAt(t, "http://127.0.0.1:1")
	p.AuthorizeURL = "https://op.example/authorize?access_type=offline"
	if change != nil {
		change(&p)
	}
	return open(t, p, Options{})
}

// Every parameter once, whatever authorize_url has already.
func TestAuthorizeURL(t *testing.T) {
	p := authorizing(t, func(p *Profile) { p.Scopes = []string{"openid", "accounts"} })
	full := flow
	full.Scopes, full.Prompt, full.LoginHint = []string{"a&b=c", "d"}, "login consent", "ann+1@example.com & co"
	for name, c := range map[string]struct {
		request AuthorizeRequest
		want    url.Values
	}{
		"plain": {flow, url.Values{"scope": {"openid accounts"}}},
		"full":  {full, url.Values{"scope": {"a&b=c d"}, "prompt": {"login consent"}, "login_hint": {"ann+1@example.com & co"}}},
	} {
		text, err := p.AuthorizeURL(c.request)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme+"://"+u.Host+u.Path != "https://op.example/authorize" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
		for k, v := range map[string]string{
			"access_type": "offline", "response_type": "code", "client_id": "client-1", "redirect_uri": callback, "state": "state-1",
			"nonce": "nonce-1", "code_challenge": flow.Challenge, "code_challenge_method": "S256",
		} {
			c.want.Set(k, v)
		}
		if got := u.Query(); got.Encode() != c.want.Encode() {
			t.Errorf("%s: %s, want %s", name, got.Encode(), c.want.Encode())
		}
		if strings.Contains(text, secretCanary) {
			t.Error("the client secret is in the browser's address bar")
		}
	}
}

func TestAuthorizeURLRefusesHalfAFlow(t *testing.T) {
	p := authorizing(t, nil)
	for name, change := range map[string]func(*AuthorizeRequest){
		"no state":           func(r *AuthorizeRequest) { r.State = "" },
		"no nonce":           func(r *AuthorizeRequest) { r.Nonce = "" },
		"no challenge":       func(r *AuthorizeRequest) { r.Challenge = "" },
		"plain challenge":    func(r *AuthorizeRequest) { r.Challenge = "the verifier itself, which is longer than forty-three" },
		"no redirect":        func(r *AuthorizeRequest) { r.RedirectURI = "" },
		"relative redirect":  func(r *AuthorizeRequest) { r.RedirectURI = "/callback" },
		"redirect fragment":  func(r *AuthorizeRequest) { r.RedirectURI += "#" },
		"scopes in one text": func(r *AuthorizeRequest) { r.Scopes = []string{"openid email"} },
		"empty scope":        func(r *AuthorizeRequest) { r.Scopes = []string{""} },
		"none and login":     func(r *AuthorizeRequest) { r.Prompt = "none login" },
		"unknown prompt":     func(r *AuthorizeRequest) { r.Prompt = "create" },
		"long hint":          func(r *AuthorizeRequest) { r.LoginHint = strings.Repeat("x", 1025) },
	} {
		r := flow
		change(&r)
		if text, err := p.AuthorizeURL(r); err == nil || text != "" || strings.Contains(err.Error(), "state-1") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, prompt := range []string{"", "none", "login", "select_account consent"} {
		r := flow
		r.Prompt = prompt
		if _, err := p.AuthorizeURL(r); err != nil {
			t.Errorf("%q: %v", prompt, err)
		}
	}
	_, err := authorizing(t, func(p *Profile) { p.AuthorizeURL = "" }).AuthorizeURL(flow)
	if !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), "authorize_url") {
		t.Errorf("without authorize_url: %v", err)
	}
}

func TestIssOfTheRedirect(t *testing.T) {
	const issuer = "https://op.example"
	plain := func(p *Profile) { p.Issuer = issuer }
	required := func(p *Profile) { p.Issuer, p.IssParameter = issuer, IssRequired }
	override := func(p *Profile) { p.Issuer, p.IssOverride = issuer, "/sandbox" }
	for name, c := range map[string]struct {
		profile func(*Profile)
		iss     string
		reason  string
	}{
		"same":                 {plain, issuer, ""},
		"absent":               {plain, "", ""},
		"other":                {plain, "https://evil.example", ReasonIssMismatch},
		"a slash more":         {plain, issuer + "/", ReasonIssMismatch},
		"other case":           {plain, "https://OP.example", ReasonIssMismatch},
		"required":             {required, issuer, ""},
		"required and absent":  {required, "", ReasonIssMissing},
		"required and other":   {required, "x", ReasonIssMismatch},
		"by the ID token's":    {override, "/sandbox", ""},
		"by the address":       {override, issuer, ""},
		"overridden and other": {override, "/live", ReasonIssMismatch},
		"no issuer known":      {nil, "https://any.example", ""},
	} {
		err := authorizing(t, c.profile).CheckIss(c.iss)
		var r *Rejection
		if errors.As(err, &r) != (c.reason != "") || r != nil && (r.Reason != c.reason || !errors.Is(err, ErrHostile)) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}

func TestValidateConsentFields(t *testing.T) {
	for want, change := range map[string]func(*Profile){
		"op.client_cert_file: is missing": func(p *Profile) { p.CodeAuthStyle = "mtls" },
		"op.code_auth_style: \"saml\"":    func(p *Profile) { p.CodeAuthStyle = "saml" },
		"op.code_auth_style: basic needs": func(p *Profile) { p.AuthStyle, p.ClientSecretFile, p.CodeAuthStyle = AuthNone, "", AuthBasic },
		"op.id_token_on_code":             func(p *Profile) { p.IDTokenOnCode = "always" },
		"op.iss_parameter":                func(p *Profile) { p.IssParameter = "yes" },
		"op.issuer: is missing, but iss":  func(p *Profile) { p.IssParameter = IssRequired },
		"op.issuer: is missing beside us": func(p *Profile) { p.UserinfoURL = "https://op.example/me" },
		"op.revocation_scope":             func(p *Profile) { p.RevocationScope = "user" },
		"op.flow_ttl: is negative":        func(p *Profile) { p.FlowTTL = -1 },
		"op.flow_ttl: 25h":                func(p *Profile) { p.FlowTTL = 25 * 3600e9 },
		"op.hold_for: is negative":        func(p *Profile) { p.HoldFor = -1 },
		"op.hold_for: 721h":               func(p *Profile) { p.HoldFor = 721 * 3600e9 },
		"op.scopes":                       func(p *Profile) { p.Scopes = []string{"openid email"} },
		"parameter state":                 func(p *Profile) { p.AuthorizeURL = "https://op.example/a?state=1" },
		"parameter prompt":                func(p *Profile) { p.AuthorizeURL = "https://op.example/a?prompt=login" },
		"op.accounts_ids: is missing":     func(p *Profile) { p.AccountsURL = "https://op.example/accounts" },
		"op.accounts_ids: \"accounts":     func(p *Profile) { p.AccountsIDs = "accounts/*" },
		"op.accounts_ids: \"/a~3":         func(p *Profile) { p.AccountsIDs = "/a~3" },
		"op.accounts_next: names many":    func(p *Profile) { p.AccountsNext = "/pages/*" },
		"op.accounts_next: is missing":    func(p *Profile) { p.AccountsCursorParam = "cursor" },
		"op.customer_ids: is missing":     func(p *Profile) { p.CustomerURL = "https://op.example/customer" },
		"op.customer_ids: holds an empty": func(p *Profile) { p.CustomerIDs = []string{""} },
		"op.customer_ids: \"id\"":         func(p *Profile) { p.CustomerIDs = []string{"id"} },
	} {
		p := profileAt(t, "http://127.0.0.1:1")
		change(&p)
		if err := p.Validate("op"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestConsentFactsOfTheBuiltins(t *testing.T) {
	akoya, next, wso2, plain := builtin(t, "akoya"), builtin(t, "nextidentity"), builtin(t, "wso2"), builtin(t, "generic")
	for what, ok := range map[string]bool{
		"akoya's codes go by basic":             akoya.CodeAuthStyle == AuthBasic && akoya.AuthStyle == AuthPost,
		"R10 akoya holds, for two weeks":        akoya.OnDifferentLogin == PolicyHold && akoya.HoldFor == defaultHoldFor,
		"R24 nextidentity always says who":      next.IDTokenOnCode == IDTokenRequired && slices.Contains(next.IDTokenAlgs, "RS256"),
		"wso2 revokes more than a token":        wso2.RevocationScope == RevokesGrant,
		"generic: 10 minutes, 14 days, unknown": plain.FlowTTL == defaultFlowTTL && plain.HoldFor == defaultHoldFor && plain.RevocationScope == "",
	} {
		if !ok {
			t.Error(what)
		}
	}
	bare := open(t, Profile{ClientID: "c", AuthStyle: AuthNone, TokenURL: "https://op.example/t"}, Options{}).Profile()
	if bare.FlowTTL != defaultFlowTTL || bare.HoldFor != defaultHoldFor || bare.CodeAuthStyle != AuthNone {
		t.Errorf("a profile that says nothing: %+v", bare)
	}
}
