package providers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/secret"
)

const (
	userCanary     = "canary_user_3b1c"
	passwordCanary = "canary_password_88e0"
	keyCanary      = "canary_apikey_d4f2"
)

// otherGrants are those that present no refresh token.
var otherGrants = []Grant{GrantAPIKey, GrantClientCredentials, GrantPassword}

// everything is a request that holds every credential there is, so that what is
// not asked for would show.
func everything(g Grant) Request {
	return Request{
		Grant: g, RefreshToken: secret.New(canary), APIKey: secret.New(keyCanary),
		Username: secret.New(userCanary), Password: secret.New(passwordCanary),
	}
}

func presented(g Grant) func(*testing.T, *Provider) Outcome {
	return func(t *testing.T, p *Provider) Outcome {
		t.Helper()
		return p.Refresh(t.Context(), everything(g))
	}
}

// form answers a request well and returns the form that it bore.
func form(t *testing.T, change func(*Profile), r Request) (url.Values, *http.Request) {
	t.Helper()
	seen := make(chan *http.Request, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		seen <- r
		fmt.Fprint(w, goodBody)
	})
	profile := profileAt(t, s.URL)
	change(&profile)
	if out := open(t, profile, Options{}).Refresh(t.Context(), r); out.Class != OK || out.Answer.AccessToken.Reveal() != "at-1" {
		t.Fatal(out)
	}
	got := <-seen
	return got.PostForm, got
}

// RFC 6749, 4.3.2 and 4.4.2, a vendor's key in two dialects, and nothing besides.
func TestEachGrantSendsItsOwnCredentialAlone(t *testing.T) {
	with := func(g Grant, scopes ...string) Request {
		r := everything(g)
		r.Scopes = scopes
		return r
	}
	asIs := func(*Profile) {}
	scoped := func(p *Profile) { p.Scopes = []string{"read", "write"} }
	dialect := func(p *Profile) { p.Scopes, p.APIKey = []string{"read"}, APIKeyGrant{"urn:vendor:key", "token"} }
	password := url.Values{"grant_type": {"password"}, "username": {userCanary}, "password": {passwordCanary}}
	for name, c := range map[string]struct {
		change  func(*Profile)
		request Request
		want    url.Values
		scope   string
	}{
		"refresh token":                   {scoped, with(GrantRefreshToken, "x"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {canary}}, ""},
		"no grant named":                  {scoped, with("", "x"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {canary}}, ""},
		"password":                        {asIs, with(GrantPassword), password, ""},
		"password, profile's scopes":      {scoped, with(GrantPassword), password, "read write"},
		"password, link's scopes":         {scoped, with(GrantPassword, "own"), password, "own"},
		"client credentials":              {asIs, with(GrantClientCredentials), url.Values{"grant_type": {"client_credentials"}}, ""},
		"client credentials, scopes":      {scoped, with(GrantClientCredentials), url.Values{"grant_type": {"client_credentials"}}, "read write"},
		"client credentials, link's":      {scoped, with(GrantClientCredentials, "a", "b"), url.Values{"grant_type": {"client_credentials"}}, "a b"},
		"API key":                         {scoped, with(GrantAPIKey, "x"), url.Values{"grant_type": {"api_key"}, "api_key": {keyCanary}}, ""},
		"API key in the vendor's dialect": {dialect, with(GrantAPIKey), url.Values{"grant_type": {"urn:vendor:key"}, "token": {keyCanary}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			want := maps.Clone(c.want)
			if c.scope != "" {
				want.Set("scope", c.scope)
			}
			got, sent := form(t, c.change, c.request)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("sent %v, want %v", got, want)
			}
			if id, key, _ := sent.BasicAuth(); id != "client-1" || key != secretCanary || sent.Method != http.MethodPost || sent.URL.RawQuery != "" {
				t.Errorf("%s %s, client %q", sent.Method, sent.URL, id)
			}
		})
	}
}

func TestClientAuthenticationOfTheOtherGrants(t *testing.T) {
	for _, g := range otherGrants {
		got, sent := form(t, func(p *Profile) { p.AuthStyle = AuthPost }, everything(g))
		if _, _, basic := sent.BasicAuth(); basic || got.Get("client_id") != "client-1" || got.Get("client_secret") != secretCanary {
			t.Errorf("%s, post: %v", g, got)
		}
	}
	for _, g := range []Grant{GrantAPIKey, GrantPassword} {
		got, _ := form(t, func(p *Profile) { p.AuthStyle, p.ClientSecretFile = AuthNone, "" }, everything(g))
		if got.Get("client_id") != "client-1" || got.Has("client_secret") {
			t.Errorf("%s, public: %v", g, got)
		}
	}
	file := keyFile(t, pemOf("PRIVATE KEY", must[[]byte](t)(x509.MarshalPKCS8PrivateKey(must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))))
	for _, g := range otherGrants {
		got, _ := form(t, func(p *Profile) { p.AuthStyle, p.ClientKeyFile, p.ClientSecretFile = AuthPrivateKeyJWT, file, "" }, everything(g))
		if got.Get("client_assertion_type") != assertionType || !strings.HasPrefix(got.Get("client_assertion"), "ey") || got.Has("client_secret") {
			t.Errorf("%s, signed: %v", g, got)
		}
	}
}

func TestWhatIsMissingIsNotSent(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	p := open(t, profileAt(t, s.URL), Options{})
	for name, r := range map[string]Request{
		"password alone":  {Grant: GrantPassword, Password: secret.New("p"), RefreshToken: secret.New("r")},
		"user name alone": {Grant: GrantPassword, Username: secret.New("u"), APIKey: secret.New("k")},
		"no key":          {Grant: GrantAPIKey, RefreshToken: secret.New("r")},
		"no token":        {APIKey: secret.New("k")},
		"unknown grant":   {Grant: "implicit", RefreshToken: secret.New("r")},
		"late":            {Grant: GrantClientCredentials, Deadline: time.Now().Add(-time.Second)},
	} {
		if out := p.Refresh(t.Context(), r); out.Class != NotSent || out.Err == nil {
			t.Errorf("%s: %v", name, out)
		}
	}
	if s.posts.Load() != 0 {
		t.Error("something was sent")
	}
}

// A refused password or key is its link's trouble. Only what the provider says of
// our registration is the app's, and where nothing else was shown it is all of that.
func TestWhoseFaultARefusalIs(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		user   Class // password, API key
		own    Class // client credentials
	}{
		{400, `{"error":"invalid_grant"}`, GrantDead, OurFault},
		{403, `{"error":"invalid_grant"}`, GrantDead, OurFault},
		{401, `{"error":"invalid_api_key"}`, GrantDead, OurFault},
		{400, `{"error":"invalid_request"}`, GrantDead, OurFault},
		{403, `{"error":"access_denied"}`, GrantDead, OurFault},
		{401, `{"error":"invalid_client"}`, OurFault, OurFault},
		{400, `{"error":"unauthorized_client"}`, OurFault, OurFault},
		{400, `{"error":"unsupported_grant_type"}`, OurFault, OurFault},
		{400, `{"error":"invalid_scope"}`, OurFault, OurFault},
		{401, ``, OurFault, OurFault},
		{404, `<html>not here</html>`, OurFault, OurFault},
		{429, ``, Refused, Refused},
		{503, `{"error":"invalid_grant"}`, Ambiguous, Ambiguous},
		{200, `{"token":"x"}`, Ambiguous, Ambiguous},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		p := open(t, profileAt(t, s.URL), Options{})
		for _, g := range otherGrants {
			want := c.user
			if g == GrantClientCredentials {
				want = c.own
			}
			if out := presented(g)(t, p); out.Class != want {
				t.Errorf("%s answered %d %s: %s, want %s", g, c.status, c.body, out.Class, want)
			}
		}
		if s.posts.Load() != int64(len(otherGrants)) {
			t.Errorf("%d %s: %d presentations of %d", c.status, c.body, s.posts.Load(), len(otherGrants))
		}
	}
}

// The server answers with what it was shown wherever it can.
func TestPasswordAndKeyDoNotComeBack(t *testing.T) {
	for _, own := range []string{userCanary, passwordCanary, keyCanary, secretCanary} {
		for _, text := range []string{
			whole(400, "application/json", `{"error":"`+own+`","error_description":"`+own+`"}`),
			whole(400, "application/json", `{"error":"x_`+own+`"}`),
			whole(401, "text/html", own), whole(200, "text/html", own), own + "\r\n\r\n",
			"HTTP/1.1 500 " + own + "\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/?p=" + own + "\r\nContent-Length: 0\r\n\r\n",
		} {
			s := serveRaw(t, say(text))
			p := open(t, profileAt(t, s.url()), Options{})
			for g, sent := range map[Grant]string{GrantPassword: userCanary + passwordCanary, GrantAPIKey: keyCanary} {
				if own != secretCanary && !strings.Contains(sent, own) {
					continue // a server does not know what it was not shown
				}
				out := presented(g)(t, p)
				if said := fmt.Sprintf("%v %+v %#v %v %s", out, out, out, out.Err, out.LogValue()); strings.Contains(said, own) {
					t.Errorf("%s: %s came out: %s", g, own, said)
				}
			}
		}
	}
}

func TestDeadlineFollowsTheGrant(t *testing.T) {
	b := budget.Of(budget.Default / 50)
	p := open(t, profileAt(t, "http://127.0.0.1:1"), Options{Budget: b})
	for _, g := range otherGrants {
		if got := p.DeadlineFor(g); got != b.Deadline {
			t.Errorf("%s: %s", g, got)
		}
	}
	for _, g := range []Grant{"", GrantRefreshToken} {
		if got := p.DeadlineFor(g); got != b.DeadlineOnce || got != p.Deadline() {
			t.Errorf("a refresh token that is good for one presentation: %s", got)
		}
	}
	now := time.Now()
	at := Request{Deadline: now}
	if what, err := p.presenting(at); err == nil || what.deadline != now {
		t.Errorf("the deadline that was asked for: %s, %v", what.deadline, err)
	}
}

// A secret that the provider does not know yet gives way whatever was presented.
func TestRefusedSecretGivesWayUnderEveryGrant(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, key, _ := r.BasicAuth(); key != "old" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprint(w, goodBody)
	})
	for _, g := range otherGrants {
		profile := profileAt(t, s.URL)
		profile.ClientSecretFile, profile.ClientSecretFiles = "", []string{secretFile(t, "new"), secretFile(t, "old")}
		p := open(t, profile, Options{})
		for i, want := range []Class{OurFault, OK} {
			if out := presented(g)(t, p); out.Class != want {
				t.Errorf("%s, attempt %d: %s", g, i, out.Class)
			}
		}
	}
}

func TestGrantsAndLockHaveDefaults(t *testing.T) {
	p := profileAt(t, "http://127.0.0.1:1")
	got := open(t, p, Options{}).Profile()
	if !reflect.DeepEqual(got.Grants, []Grant{GrantRefreshToken}) || got.LockBy != LockByLink || got.APIKey != (APIKeyGrant{"api_key", "api_key"}) {
		t.Errorf("%v, %s, %v", got.Grants, got.LockBy, got.APIKey)
	}
	p, err := ParseProfile("p.yaml", p, []byte("grants: [password, client_credentials]\nlock_by: user\napi_key: { parameter: key }"))
	if err != nil {
		t.Fatal(err)
	}
	got = open(t, p, Options{}).Profile()
	if !reflect.DeepEqual(got.Grants, []Grant{GrantPassword, GrantClientCredentials}) || got.LockBy != LockByUser || got.APIKey != (APIKeyGrant{"api_key", "key"}) {
		t.Errorf("%v, %s, %v", got.Grants, got.LockBy, got.APIKey)
	}
}
