package testop_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/regrant/regrant/internal/testop"
)

// The pages are also for real browsers, which do not always go forward.
func TestPagesOutOfOrder(t *testing.T) {
	a := start(t, testop.Config{})
	var request string // the address of its login page
	a.http.CheckRedirect = func(to *http.Request, _ []*http.Request) error {
		if to.URL.Path == "/login" {
			request = to.URL.String()
		}
		if to.URL.Host == "callback.example.com" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	login, allow := url.Values{"sub": {"alice"}}, url.Values{"decision": {"allow"}, "scope": {"openid"}}
	deny := url.Values{"decision": {"deny"}}
	begin := func() { a.submit(t, http.MethodGet, a.authorizeURL(), nil) }
	consent := func() string { return strings.Replace(request, "/login?", "/consent?", 1) }

	begin()
	for _, step := range []struct {
		name string
		form url.Values
		to   string
		want int
	}{
		{"consent without a login", allow, consent(), http.StatusForbidden},
		{"a user nobody knows", url.Values{"sub": {"mallory"}}, request, http.StatusForbidden},
		{"a request nobody made", login, request + "x", http.StatusNotFound},
		{"login", login, request, http.StatusOK},
		{"consent", allow, consent(), http.StatusFound},
		{"consent again", allow, consent(), http.StatusGone},
	} {
		if got := a.submit(t, http.MethodPost, step.to, step.form); got != step.want {
			t.Errorf("%s: answered %d, want %d", step.name, got, step.want)
		}
	}

	begin()
	a.submit(t, http.MethodPost, request, login)
	a.submit(t, http.MethodPost, consent(), deny)
	if got := a.submit(t, http.MethodPost, consent(), allow); got != http.StatusNotFound {
		t.Errorf("consent after a denial: answered %d", got)
	}
}

func (a *app) submit(t *testing.T, method, address string, form url.Values) int {
	t.Helper()
	req, err := http.NewRequestWithContext(a.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
