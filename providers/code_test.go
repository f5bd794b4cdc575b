package providers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/secret"
)

const (
	codeCanary     = "canary_code_51bd"
	verifierCanary = "canary_verifier_90aa"
	callback       = "https://app.example/callback?x=1"
)

func exchangeCode(t *testing.T, p *Provider) Outcome {
	t.Helper()
	return p.Exchange(t.Context(), CodeRequest{Code: secret.New(codeCanary), Verifier: secret.New(verifierCanary), RedirectURI: callback})
}

// RFC 6749, 4.1.3 and RFC 7636, 4.5, under each client authentication.
func TestExchangeSendsWhatTheStandardsAsk(t *testing.T) {
	for name, c := range map[string]struct {
		style, code AuthStyle
		want        url.Values
		basic       bool
	}{
		"basic":           {AuthBasic, "", url.Values{}, true},
		"post":            {AuthPost, "", url.Values{"client_id": {"client-1"}, "client_secret": {secretCanary}}, false},
		"public":          {AuthNone, "", url.Values{"client_id": {"client-1"}}, false},
		"post, for codes": {AuthBasic, AuthPost, url.Values{"client_id": {"client-1"}, "client_secret": {secretCanary}}, false},
		"basic for codes": {AuthPost, AuthBasic, url.Values{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				user, pass, basic := r.BasicAuth()
				if err := r.ParseForm(); err != nil || basic != c.basic || basic && (user != "client-1" || pass != secretCanary) {
					t.Errorf("basic %v %s, %v", basic, user, err)
				}
				for k, v := range map[string]string{"grant_type": "authorization_code", "code": codeCanary, "code_verifier": verifierCanary, "redirect_uri": callback} {
					c.want.Set(k, v)
				}
				if r.Form.Encode() != c.want.Encode() {
					t.Errorf("sent %s, want %s", r.Form.Encode(), c.want.Encode())
				}
				fmt.Fprint(w, goodBody)
			})
			p := profileAt(t, s.URL)
			if p.AuthStyle, p.CodeAuthStyle = c.style, c.code; c.style == AuthNone {
				p.ClientSecretFile = ""
			}
			out := exchangeCode(t, open(t, p, Options{}))
			if out.Class != OK || out.Answer.RefreshToken.Reveal() != "rt-2" || s.posts.Load() != 1 {
				t.Errorf("%v after %d requests", out, s.posts.Load())
			}
		})
	}
}

func TestCodeGoesOutOnlyWithItsVerifierAndRedirect(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	p := open(t, profileAt(t, s.URL), Options{})
	whole := CodeRequest{Code: secret.New("c"), Verifier: secret.New("v"), RedirectURI: callback}
	for name, change := range map[string]func(*CodeRequest){
		"no code":     func(r *CodeRequest) { r.Code = secret.Value{} },
		"no verifier": func(r *CodeRequest) { r.Verifier = secret.Value{} },
		"no redirect": func(r *CodeRequest) { r.RedirectURI = "" },
		"late":        func(r *CodeRequest) { r.Deadline = time.Now().Add(-time.Second) },
	} {
		r := whole
		change(&r)
		if out := p.Exchange(t.Context(), r); out.Class != NotSent || out.Err == nil {
			t.Errorf("%s: %v", name, out)
		}
	}
	if s.posts.Load() != 0 {
		t.Error("something was sent")
	}
}

// A code comes from outside. Whatever it makes the provider say, it is not our
// registration that is at fault, unless the provider says just that.
func TestForgedCodeIsNotTheAppsFault(t *testing.T) {
	for body, want := range map[string]struct {
		status int
		class  Class
	}{
		`{"error":"invalid_grant"}`:                 {400, GrantDead},
		`{"error":"invalid_request"}`:               {400, GrantDead},
		`{"error":"bad_verification_code"}`:         {400, GrantDead},
		`{"error":"access_denied"}`:                 {403, GrantDead},
		`{"error":"invalid_client"}`:                {401, OurFault},
		`{"error":"unauthorized_client"}`:           {400, OurFault},
		`<html>not here</html>`:                     {404, OurFault},
		`{"error":"temporarily_unavailable"}`:       {400, Refused},
		`{"error":"server_error"}`:                  {500, Ambiguous},
		`{"error":"invalid_request","padding":"x"}`: {502, Ambiguous},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(want.status)
			fmt.Fprint(w, body)
		})
		if out := exchangeCode(t, open(t, profileAt(t, s.URL), Options{})); out.Class != want.class {
			t.Errorf("%s: %s, want %s", body, out.Class, want.class)
		}
	}
}

// The server answers with the code and the verifier wherever it can.
func TestCodeAndVerifierDoNotComeBack(t *testing.T) {
	for _, own := range []string{codeCanary, verifierCanary, secretCanary} {
		for _, text := range []string{
			whole(400, "application/json", `{"error":"`+own+`","error_description":"`+own+`"}`),
			whole(400, "application/json", `{"error":"x_`+own+`"}`),
			whole(200, "text/html", own), own + "\r\n\r\n", "HTTP/1.1 500 " + own + "\r\nContent-Length: 0\r\n\r\n",
		} {
			s := serveRaw(t, say(text))
			out := exchangeCode(t, open(t, profileAt(t, s.url()), Options{}))
			if said := fmt.Sprintf("%v %+v %#v %v", out, out, out, out.Err); strings.Contains(said, own) {
				t.Errorf("%s came out: %s", own, said)
			}
		}
	}
}

func TestCodeDeadlineIsTheLongOne(t *testing.T) {
	p := profileAt(t, "http://127.0.0.1:1")
	p.Replay = Replay{Kind: ReplaySafe}
	b := budget.Of(budget.Default / 50)
	if got := open(t, p, Options{Budget: b}).CodeDeadline(); got != b.DeadlineOnce {
		t.Error(got)
	}
}
