package providers

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

func builtin(t *testing.T, name string) Profile {
	t.Helper()
	p, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func jsonReply(status int, body string) *reply {
	return &reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body), complete: true}
}

func judged(p Profile, r *reply) verdict {
	f, readable := parse(r)
	return judge(&p, r, f, readable)
}

func TestStandardAnswers(t *testing.T) {
	p := builtin(t, "generic")
	cases := []struct {
		status int
		body   string
		want   Class
	}{
		{200, goodBody, OK},
		{201, goodBody, OK},
		{200, `{"access_token":"a"}`, OK},
		{200, `{"access_token":"a","refresh_token":null,"expires_in":"3600"}`, OK},
		{200, `{"access_token":"a","error":"warning"}`, OK},
		{200, ``, Ambiguous},
		{204, ``, Ambiguous},
		{200, `{}`, Ambiguous},
		{200, `null`, Ambiguous},
		{200, `[]`, Ambiguous},
		{200, `{"refresh_token":"rt-2"}`, Ambiguous},
		{200, `{"access_token":""}`, Ambiguous},
		{200, `{"access_token":7}`, Ambiguous},
		{200, `{"access_token":"a","refresh_token":7}`, Ambiguous},
		{200, `{"access_token":"a","refresh_token":{"x":1}}`, Ambiguous},
		{200, `{"access_token":"a\r\nX-Injected: 1"}`, Ambiguous},
		{200, "{\"access_token\":\"a\xff\"}", Ambiguous},
		{200, `{"ok":false,"error":"invalid_refresh_token"}`, Ambiguous},
		{200, `{"error":"invalid_grant"}`, Ambiguous},
		{200, goodBody[:len(goodBody)-1], Ambiguous},
		{200, goodBody + goodBody, Ambiguous},
		{302, ``, OurFault},
		{400, `{"error":"invalid_grant"}`, GrantDead},
		{401, `{"error":"invalid_grant"}`, GrantDead},
		{403, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, GrantDead},
		{400, `{"error":"invalid_client"}`, OurFault},
		{401, `{"error":"invalid_client"}`, OurFault},
		{400, `{"error":"unauthorized_client"}`, OurFault},
		{400, `{"error":"unsupported_grant_type"}`, OurFault},
		{400, `{"error":"invalid_scope"}`, OurFault},
		{400, `{"error":"invalid_request"}`, OurFault},
		{400, `{"error":"invalid_request","error_description":"already been claimed by another client"}`, OurFault},
		{401, ``, OurFault},
		{403, `<html>blocked</html>`, OurFault},
		{404, `not here`, OurFault},
		{400, `{"error":"temporarily_unavailable"}`, Refused},
		{400, `{"error":"slow_down"}`, Refused},
		{429, ``, Refused},
		{429, `{"error":"invalid_grant"}`, Refused},
		{408, ``, Ambiguous},
		{500, `{"error":"server_error"}`, Ambiguous},
		{500, `{"error":"invalid_grant"}`, Ambiguous},
		{500, `{"error":"invalid_client"}`, Ambiguous},
		{502, ``, Ambiguous},
		{503, ``, Ambiguous},
		{503, `{"error":"temporarily_unavailable"}`, Ambiguous},
		{504, ``, Ambiguous},
	}
	for _, c := range cases {
		if got := judged(p, jsonReply(c.status, c.body)); got.class != c.want {
			t.Errorf("%d %s: %s, want %s", c.status, c.body, got.class, c.want)
		}
	}
}

// Providers' own error codes, pinned as an operator would pin them.
func TestPinnedAnswers(t *testing.T) {
	dex := builtin(t, "akoya")
	pin := func(yaml string) Profile {
		p, err := ParseProfile("p.yaml", builtin(t, "generic"), []byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	slack := pin("success_status_errors: true\nterminal_aliases: [invalid_refresh_token]\nconfig_aliases: [bad_client_secret]")
	hubspot := pin("terminal_aliases: [{field: status, error: BAD_REFRESH_TOKEN}]")
	github := pin("terminal_aliases: [bad_refresh_token]\nsuccess_status_errors: true")
	microsoft := pin("terminal_aliases: [interaction_required]")
	atlassian := pin("config_aliases: [{error: access_denied, status: 401}]")
	limiter := pin("unavailable_503_is_refusal: true")
	throttle := pin("transient_codes: [{error: temporarily_unavailable, status: 503}]")
	plaid := pin("terminal_aliases: [{field: error_code, error: ITEM_LOGIN_REQUIRED}]")
	const claimed = "Refresh token is invalid or has \n already been claimed by another client."
	cases := []struct {
		name   string
		p      Profile
		status int
		body   string
		want   Class
	}{
		{"dex 400", dex, 400, fmt.Sprintf(`{"error":"invalid_request","error_description":%q}`, claimed), GrantDead},
		{"dex 500", dex, 500, fmt.Sprintf(`{"error":"invalid_request","error_description":%q}`, claimed), GrantDead},
		{"dex expired", dex, 400, `{"error":"invalid_request","error_description":"Refresh token expired."}`, GrantDead},
		{"dex other", dex, 400, `{"error":"invalid_request","error_description":"Required param: code."}`, OurFault},
		{"dex other 500", dex, 500, `{"error":"server_error"}`, Ambiguous},
		{"akoya without its bearer", dex, 200, goodBody, Ambiguous},
		{"akoya without an access token", dex, 200, `{"id_token":"a.b.c","refresh_token":"r"}`, OK},
		{"slack dead", slack, 200, `{"ok":false,"error":"invalid_refresh_token"}`, GrantDead},
		{"slack config", slack, 200, `{"ok":false,"error":"bad_client_secret"}`, OurFault},
		{"slack fine", slack, 200, `{"ok":true,"access_token":"a"}`, OK},
		{"slack nothing", slack, 200, `{"ok":true}`, Ambiguous},
		{"slack as 400", slack, 400, `{"ok":false,"error":"invalid_refresh_token"}`, GrantDead},
		{"hubspot", hubspot, 400, `{"status":"BAD_REFRESH_TOKEN","message":"x"}`, GrantDead},
		{"github", github, 200, `{"error":"bad_refresh_token"}`, GrantDead},
		{"microsoft", microsoft, 400, `{"error":"interaction_required"}`, GrantDead},
		{"atlassian secret", atlassian, 401, `{"error":"access_denied"}`, OurFault},
		{"atlassian dead", atlassian, 403, `{"error":"invalid_grant"}`, GrantDead},
		{"503 with Retry-After elsewhere", limiter, 503, ``, Refused},
		{"503 pinned", throttle, 503, `{"error":"temporarily_unavailable"}`, Refused},
		{"503 not pinned", throttle, 503, `{}`, Ambiguous},
		{"plaid", plaid, 400, `{"error_code":"ITEM_LOGIN_REQUIRED"}`, GrantDead},
	}
	for _, c := range cases {
		r := jsonReply(c.status, c.body)
		if c.name == "503 with Retry-After elsewhere" {
			r.header.Set("Retry-After", "5")
		}
		if got := judged(c.p, r); got.class != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.class, c.want)
		}
	}
	if got := judged(limiter, jsonReply(503, "")); got.class != Ambiguous {
		t.Errorf("503 without Retry-After: %s", got.class)
	}
}

func TestCutErrorIsAmbiguousWhateverItsStatus(t *testing.T) {
	p := builtin(t, "generic")
	for status, want := range map[int]Class{400: Ambiguous, 401: Ambiguous, 500: Ambiguous, 200: Ambiguous, 429: Refused, 307: OurFault} {
		r := jsonReply(status, `{"error":"invalid_grant"}`)
		r.complete = false
		if got := judged(p, r); got.class != want {
			t.Errorf("%d: %s, want %s", status, got.class, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "soon": 0, "1.5": 0,
		"99999999":                       maxRetryAfter,
		"18446744073709551615":           maxRetryAfter,
		"Fri, 20 Nov 2026 12:00:30 GMT":  30 * time.Second,
		"Fri, 20 Nov 2026 11:59:00 GMT":  0,
		"Fri, 20 Nov 2099 12:00:00 GMT":  maxRetryAfter,
		"Friday, 20-Nov-26 12:00:30 GMT": 30 * time.Second,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestForms(t *testing.T) {
	p := builtin(t, "generic")
	form := func(kind, body string, closed bool) *reply {
		return &reply{status: 200, header: http.Header{"Content-Type": {kind}}, body: []byte(body), complete: true, closed: closed}
	}
	const body = "access_token=a&refresh_token=12345&expires_in=60&scope=x+y"
	for _, c := range []struct {
		r    *reply
		want Class
	}{
		{form("application/x-www-form-urlencoded", body, false), OK},
		{form("text/plain; charset=utf-8", body, false), OK},
		{form("text/plain", goodBody, false), OK},
		{form("text/html", goodBody, false), OK},
		{form("application/x-www-form-urlencoded", body, true), Ambiguous},
		{form("application/x-www-form-urlencoded", "access_token=%zz", false), Ambiguous},
	} {
		if got := judged(p, c.r); got.class != c.want {
			t.Errorf("%v %s: %s, want %s", c.r.header, c.r.body, got.class, c.want)
		}
	}
	f, _ := parse(form("text/plain", body, false))
	a := f.answer(&p, time.Unix(1000, 0))
	if a.RefreshToken.Reveal() != "12345" || !a.ExpiresAt.Equal(time.Unix(1060, 0)) || len(a.Scopes) != 2 {
		t.Fatalf("a token of digits alone became %q, %v, %v", a.RefreshToken.Reveal(), a.ExpiresAt, a.Scopes)
	}
}

func TestCodesAreReducedAndNeverEchoSecrets(t *testing.T) {
	e := echoes{secret.New("abcdef0123456789"), secret.New("Secret.With_Caps")}
	for in, want := range map[string]string{
		"invalid_grant": "invalid_grant", "BAD_REFRESH_TOKEN": "bad_refresh_token", "ok.1": "ok.1",
		"": "", "a b": "", "x\ny": "", "abcdef0123456789": "", "xabcdef0123456789x": "", "abcdef01": "",
		"secret.with_caps": "", "ABCDEF0123456789": "", "<script>": "",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "",
	} {
		if got := e.clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := (echoes{secret.New("x-invalid_grant-x")}).clean("invalid_grant"); got != "invalid_grant" {
		t.Errorf("a standard code was dropped: %q", got)
	}
}
