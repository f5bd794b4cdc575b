package testop

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Callback is what the provider's last redirect carries to the redirect URI.
// Error stands in place of Code where the user or the provider refused.
type Callback struct{ Code, State, Iss, Error string }

// Choice is what a user does on the consent page. Without any, all scopes that
// were asked for are granted, over all accounts.
type Choice func(form url.Values)

// Without grants all but these scopes.
func Without(scopes ...string) Choice {
	return func(form url.Values) {
		form["scope"] = slices.DeleteFunc(form["scope"], func(s string) bool { return slices.Contains(scopes, s) })
	}
}

// Accounts grants these of the user's accounts and no others.
func Accounts(ids ...string) Choice {
	return func(form url.Values) {
		form.Del("all_accounts")
		form["account"] = ids
	}
}

// Deny refuses; the callback then carries the error access_denied.
func Deny() Choice {
	return func(form url.Values) { form.Set("decision", "deny") }
}

// Consent plays the browser of the user sub: it opens authorizeURL, logs in,
// chooses, and returns where the provider sends it then. It does not go there.
// A page that is not what it should be ends the test.
func (o *OP) Consent(t testing.TB, authorizeURL, sub string, choices ...Choice) Callback {
	t.Helper()
	at := o.open(t, http.MethodGet, authorizeURL, nil)
	if at.left == nil {
		at = o.open(t, http.MethodPost, at.page, url.Values{"sub": {sub}})
	}
	if at.left == nil {
		at = o.open(t, http.MethodPost, at.page, choose(t, authorizeURL, choices))
	}
	if at.left == nil {
		t.Fatalf("the provider shows %s where it should have sent the browser back", at.page)
	}
	q := at.left.Query()
	return Callback{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss"), Error: q.Get("error")}
}

// choose fills in the consent page for what authorizeURL asks.
func choose(t testing.TB, authorizeURL string, choices []Choice) url.Values {
	t.Helper()
	u, err := url.Parse(authorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"decision":     {"allow"},
		"all_accounts": {"yes"},
		"scope":        strings.Fields(u.Query().Get("scope")),
	}
	for _, choice := range choices {
		choice(form)
	}
	return form
}

// place is where a browser stands: on a page of the provider, or sent elsewhere.
type place struct {
	page string
	left *url.URL
}

func (o *OP) open(t testing.TB, method, address string, form url.Values) place {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := o.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if to, err := resp.Location(); err == nil {
		return place{left: to}
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		t.Fatalf("the provider's %s answered %s: %s", resp.Request.URL.Path, resp.Status, body)
	}
	return place{page: resp.Request.URL.String()}
}

// browserClient follows redirects as long as they stay with the provider.
func browserClient(issuer string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{},
		CheckRedirect: func(to *http.Request, _ []*http.Request) error {
			if leaves(to.URL, issuer) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}
