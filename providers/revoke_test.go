package providers

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

func revoker(t *testing.T, at string) Profile {
	t.Helper()
	p := profileAt(t, at)
	p.RevocationURL = at + "/revoke"
	return p
}

func TestRevokeSendsWhatTheStandardAsks(t *testing.T) {
	odd := "c:1 %"
	for _, style := range []AuthStyle{AuthBasic, AuthPost, AuthNone} {
		want := url.Values{"token": {canary}, "token_type_hint": {"refresh_token"}}
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			user, pass, basic := r.BasicAuth()
			if basic != (style == AuthBasic) || basic && (user != url.QueryEscape(odd) || pass != secretCanary) {
				t.Errorf("%s: basic %v as %q", style, basic, user)
			}
			if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.URL.Path != "/revoke" || r.Form.Encode() != want.Encode() {
				t.Errorf("%s: %s %s, %v", style, r.Method, r.Form.Encode(), err)
			}
		})
		p := revoker(t, s.URL)
		p.ClientID, p.AuthStyle = odd, style
		switch style {
		case AuthPost:
			want.Set("client_id", odd)
			want.Set("client_secret", secretCanary)
		case AuthNone:
			want.Set("client_id", odd)
			p.ClientSecretFile = ""
		}
		if err := open(t, p, Options{}).Revoke(t.Context(), secret.New(canary), "refresh_token"); err != nil || s.posts.Load() != 1 {
			t.Errorf("%s: %v after %d requests", style, err, s.posts.Load())
		}
	}
}

func TestRevokeByAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"done":                     {200, "", nil},
		"done, with words":         {200, "revoked", nil},
		"done, without content":    {204, "", nil},
		"unknown token":            {400, `{"error":"invalid_token"}`, nil},
		"dead grant":               {400, `{"error":"invalid_grant"}`, nil},
		"not such tokens":          {400, `{"error":"unsupported_token_type"}`, ErrNotSupported},
		"our registration":         {401, `{"error":"invalid_client"}`, ErrRefused},
		"our request":              {400, `{"error":"invalid_request"}`, ErrRefused},
		"our address":              {404, `nobody here`, ErrRefused},
		"our address, moved":       {307, ``, ErrRefused},
		"too often":                {429, ``, ErrUnreachable},
		"down":                     {503, ``, ErrUnreachable},
		"broken":                   {500, `{"error":"server_error"}`, ErrUnreachable},
		"later":                    {400, `{"error":"temporarily_unavailable"}`, ErrUnreachable},
		"an error of another kind": {403, canary, ErrRefused},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(c.status)
			if c.body != "" && c.status != http.StatusNoContent {
				fmt.Fprint(w, c.body)
			}
		})
		err := open(t, revoker(t, s.URL), Options{}).Revoke(t.Context(), secret.New(canary), "")
		if !errors.Is(err, c.want) || c.want == nil && err != nil || s.posts.Load() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, s.posts.Load())
		}
		if err == nil {
			continue
		}
		var e *EndpointError
		if !errors.As(err, &e) || e.Endpoint != "revocation" || e.Status != c.status || e.RetryAfter != 9*time.Second || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestRevokeThatBreaksOff(t *testing.T) {
	for name, script := range map[string]func(net.Conn){"closed": func(net.Conn) {}, "reset": reset, "echo": say(canary + "\r\n\r\n")} {
		s := serveRaw(t, script)
		err := open(t, revoker(t, s.url()), Options{}).Revoke(t.Context(), secret.New(canary), "")
		if !errors.Is(err, ErrUnreachable) || s.conns.Load() != 1 || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v after %d connections", name, err, s.conns.Load())
		}
	}
}

func TestNothingToRevoke(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := open(t, revoker(t, s.URL), Options{}).Revoke(t.Context(), secret.Value{}, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("no token: %v", err)
	}
	p := open(t, profileAt(t, s.URL), Options{})
	if err := p.Revoke(t.Context(), secret.New(canary), ""); !errors.Is(err, ErrNotSupported) || s.posts.Load() != 0 {
		t.Errorf("no address: %v", err)
	}
}

func TestOnlyAKnownScopeRevokesTokensOnly(t *testing.T) {
	for scope, want := range map[RevocationScope]bool{"": false, RevokesGrant: false, RevokesToken: true} {
		p := revoker(t, "http://127.0.0.1:1")
		p.RevocationScope = scope
		if got := open(t, p, Options{}).RevokesTokensOnly(); got != want {
			t.Errorf("%q: %v", scope, got)
		}
	}
	p := profileAt(t, "http://127.0.0.1:1")
	p.RevocationScope = RevokesToken
	if open(t, p, Options{}).RevokesTokensOnly() {
		t.Error("without an address")
	}
}
