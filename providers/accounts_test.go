package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/secret"
)

const bearerCanary = "canary-bearer-e2"

var bearer = secret.New(bearerCanary)

// lister is a provider whose accounts are at a server; change may add to it.
func lister(t *testing.T, url string, change func(*Profile)) *Provider {
	t.Helper()
	p := profileAt(t, url)
	p.AccountsURL, p.AccountsIDs = url+"/accounts?size=2", "/accounts/*/id"
	if change != nil {
		change(&p)
	}
	return open(t, p, Options{})
}

func answering(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func TestAccountsOfOnePage(t *testing.T) {
	long := strings.Repeat("ü", 255)
	for name, c := range map[string]struct {
		pointer, body string
		want          []string // nil: malformed
	}{
		"sorted, once":           {"/accounts/*/id", `{"accounts":[{"id":"b"},{"id":"a"},{"id":"b"}]}`, []string{"a", "b"}},
		"numbers as written":     {"/accounts/*/id", `{"accounts":[{"id":90071992547409931},{"id":7}]}`, []string{"7", "90071992547409931"}},
		"none":                   {"/accounts/*/id", `{"accounts":[]}`, []string{}},
		"none, as null":          {"/accounts/*/id", `{"accounts":null}`, []string{}},
		"a list":                 {"/*", `["b","a"]`, []string{"a", "b"}},
		"values of an object":    {"/accounts/*/*/id", `{"accounts":[{"card":{"id":"c"}},{"loan":{"id":"l"},"note":"x"}]}`, []string{"c", "l"}},
		"some without":           {"/accounts/*/id", `{"accounts":[{"id":"a"},{"name":"n"},{"id":null},7]}`, []string{"a"}},
		"one, not in a list":     {"/account/id", `{"account":{"id":"a"}}`, []string{"a"}},
		"by place":               {"/accounts/1/id", `{"accounts":[{"id":"a"},{"id":"b"}]}`, []string{"b"}},
		"odd names":              {"/a~1b/~0/~2/*", `{"a/b":{"~":{"*":["x"]}}}`, []string{"x"}},
		"longest":                {"/*", `["` + long + `"]`, []string{long}},
		"another shape":          {"/accounts/*/id", `{"error":"maintenance"}`, nil},
		"no list":                {"/accounts/*/id", `{"accounts":"none"}`, nil},
		"all without":            {"/accounts/*/id", `{"accounts":[{"name":"n"}]}`, nil},
		"an id that is a truth":  {"/accounts/*/id", `{"accounts":[{"id":true}]}`, nil},
		"an id that is a list":   {"/accounts/*/id", `{"accounts":[{"id":["a"]}]}`, nil},
		"an empty id":            {"/accounts/*/id", `{"accounts":[{"id":""}]}`, nil},
		"too long an id":         {"/*", `["` + long + `x"]`, nil},
		"a line in an id":        {"/*", `["a\nb"]`, nil},
		"half a pair in an id":   {"/*", `["a\ud800"]`, nil},
		"no JSON":                {"/*", `<html>`, nil},
		"nothing":                {"/*", ``, nil},
		"cut":                    {"/*", `["a"`, nil},
		"more behind":            {"/*", `["a"]["b"]`, nil},
		"longer than a mebibyte": {"/*", `["` + strings.Repeat("x", maxBody) + `"]`, nil},
	} {
		s := serve(t, answering(c.body))
		got, err := lister(t, s.URL, func(p *Profile) { p.AccountsIDs = c.pointer }).Accounts(t.Context(), bearer)
		if c.want == nil {
			if !errors.Is(err, ErrMalformed) || got != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		if err != nil || got == nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAccountsOverPages(t *testing.T) {
	// book maps a page's query to its Link header and body.
	type page struct{ link, body string }
	type book map[string]page
	listed := []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		next, cursor string
		book         book
		want         error
	}{
		"by header": {"", "", book{
			"size=2": {`</accounts?p=2>; rel="next"`, `{"accounts":[{"id":"a"}]}`},
			"p=2":    {`<?p=1>; rel=prev, <?p=3>; title="x, y; rel=\"prev\""; rel="last NEXT"`, `{"accounts":[{"id":"b"}]}`},
			"p=3":    {`<?p=2>; rel="prev"`, `{"accounts":[{"id":"c"}]}`}}, nil},
		"by address": {"/links/next", "", book{
			"size=2": {"", `{"accounts":[{"id":"a"}],"links":{"next":"?p=2"}}`},
			"p=2":    {"", `{"accounts":[{"id":"b"}],"links":{"next":"http://HOST/accounts?p=3#x"}}`},
			"p=3":    {"", `{"accounts":[{"id":"c"}],"links":{"next":null}}`}}, nil},
		"by cursor": {"/next", "after", book{
			"size=2":               {"", `{"accounts":[{"id":"a"}],"next":"x y&z"}`},
			"after=x+y%26z&size=2": {"", `{"accounts":[{"id":"b"}],"next":30}`},
			"after=30&size=2":      {"", `{"accounts":[{"id":"c"}],"next":""}`}}, nil},
		"by cursor, then header": {"/next", "after", book{
			"size=2":         {"", `{"accounts":[{"id":"a"}],"next":"x"}`},
			"after=x&size=2": {`<?p=3>; rel=next`, `{"accounts":[{"id":"b"}]}`},
			"p=3":            {"", `{"accounts":[{"id":"c"}]}`}}, nil},
		"of another resource": {"", "", book{
			"size=2": {`<?p=9>; rel=next; anchor="/other", garbage`, `{"accounts":[{"id":"a"},{"id":"b"},{"id":"c"}]}`}}, nil},
		"round in a circle": {"", "", book{
			"size=2": {`<?p=2>; rel=next`, `{"accounts":[]}`}, "p=2": {`<?size=2>; rel=next`, `{"accounts":[]}`}}, ErrMalformed},
		"the same cursor": {"/next", "after", book{
			"size=2": {"", `{"accounts":[],"next":"x"}`}, "after=x&size=2": {"", `{"accounts":[],"next":"x"}`}}, ErrMalformed},
		"another host":      {"", "", book{"size=2": {`<https://evil.example/>; rel=next`, `{"accounts":[]}`}}, ErrMalformed},
		"another port":      {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"http://127.0.0.1:1/"}`}}, ErrMalformed},
		"another scheme":    {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"https://HOST/accounts"}`}}, ErrMalformed},
		"no host":           {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"mailto:x"}`}}, ErrMalformed},
		"credentials":       {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"http://u:p@HOST/"}`}}, ErrMalformed},
		"by network path":   {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"//evil.example/"}`}}, ErrMalformed},
		"no address":        {"/next", "", book{"size=2": {"", `{"accounts":[],"next":"http://[::1"}`}}, ErrMalformed},
		"a number":          {"/next", "", book{"size=2": {"", `{"accounts":[],"next":7}`}}, ErrMalformed},
		"a truth":           {"/next", "c", book{"size=2": {"", `{"accounts":[],"next":true}`}}, ErrMalformed},
		"too long":          {"/next", "c", book{"size=2": {"", `{"accounts":[],"next":"` + strings.Repeat("x", maxURL) + `"}`}}, ErrMalformed},
		"a page that fails": {"", "", book{"size=2": {`<?p=2>; rel=next`, `{"accounts":[{"id":"a"}]}`}}, ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				p, ok := c.book[r.URL.RawQuery]
				if !ok {
					w.WriteHeader(http.StatusBadGateway)
				}
				if r.Header.Get("Authorization") != "Bearer "+bearerCanary {
					t.Errorf("asked with %q", r.Header.Get("Authorization"))
				}
				w.Header().Set("Link", p.link)
				fmt.Fprint(w, strings.ReplaceAll(p.body, "HOST", r.Host))
			})
			got, err := lister(t, s.URL, func(p *Profile) { p.AccountsNext, p.AccountsCursorParam = c.next, c.cursor }).Accounts(t.Context(), bearer)
			if c.want == nil && (err != nil || !slices.Equal(got, listed)) || !errors.Is(err, c.want) || c.want != nil && got != nil {
				t.Errorf("%q, %v", got, err)
			}
			assertNoBearer(t, err)
		})
	}
}

func assertNoBearer(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, leak := range []string{bearerCanary, "evil", "size=2", "127.0.0.1:1/"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), leak) {
			t.Errorf("the error says %s: %v", leak, err)
		}
	}
}

// endless serves pages without end, of n accounts each.
func endless(n int) http.HandlerFunc {
	pages := 0
	return func(w http.ResponseWriter, _ *http.Request) {
		pages++
		ids := make([]map[string]string, n)
		for i := range ids {
			ids[i] = map[string]string{"id": fmt.Sprintf("%d-%d", pages, i)}
		}
		w.Header().Set("Link", fmt.Sprintf(`<?p=%d>; rel=next`, pages))
		_ = json.NewEncoder(w).Encode(map[string]any{"accounts": ids})
	}
}

func TestListsWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		each     int
		requests int64
	}{"10,000 accounts": {10_000, 1}, "2,001 accounts": {667, 3}, "many pages": {1, maxPages}} {
		s := serve(t, endless(c.each))
		got, err := lister(t, s.URL, nil).Accounts(t.Context(), bearer)
		if !errors.Is(err, ErrTooMany) || got != nil || s.posts.Load() != c.requests {
			t.Errorf("%s: %d ids, %v after %d requests", name, len(got), err, s.posts.Load())
		}
	}
	ids := make([]string, maxAccounts)
	for i := range ids {
		ids[i] = fmt.Sprintf("%05d", i)
	}
	body, _ := json.Marshal(ids)
	s := serve(t, answering(string(body)))
	got, err := lister(t, s.URL, func(p *Profile) { p.AccountsIDs = "/*" }).Accounts(t.Context(), bearer)
	if err != nil || !slices.Equal(got, ids) {
		t.Errorf("2,000 accounts: %d, %v", len(got), err)
	}
}

func TestAccountsByStatus(t *testing.T) {
	elsewhere := serve(t, answering(`{"accounts":[]}`))
	for status, want := range map[int]error{
		401: ErrRefused, 403: ErrRefused, 404: ErrRefused, 400: ErrRefused, 301: ErrRefused, 307: ErrRefused, 304: ErrRefused,
		408: ErrUnreachable, 425: ErrUnreachable, 429: ErrUnreachable, 500: ErrUnreachable, 502: ErrUnreachable, 503: ErrUnreachable, 204: ErrMalformed,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		})
		_, err := lister(t, s.URL, nil).Accounts(t.Context(), bearer)
		var e *EndpointError
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Endpoint != "accounts" || e.Status != status && e.Reason != ReasonMalformed {
			t.Errorf("%d: %v", status, err)
		}
		if e != nil && errors.Is(err, ErrUnreachable) != (e.RetryAfter == 7*time.Second) {
			t.Errorf("%d: retry after %s", status, e.RetryAfter)
		}
		assertNoBearer(t, err)
	}
	if elsewhere.posts.Load() != 0 {
		t.Fatal("a redirect was followed")
	}
}

func TestAccountsThatBreakOff(t *testing.T) {
	for name, script := range map[string]func(net.Conn){
		"closed": func(net.Conn) {}, "reset": reset, "not HTTP": say(bearerCanary + "\r\n\r\n"),
		"half a body": say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"),
		"bad status":  say("HTTP/1.1 " + bearerCanary + "\r\n\r\n"),
	} {
		s := serveRaw(t, script)
		_, err := lister(t, s.url(), nil).Accounts(t.Context(), bearer)
		if !errors.Is(err, ErrUnreachable) || s.conns.Load() != 1 {
			t.Errorf("%s: %v after %d connections", name, err, s.conns.Load())
		}
		assertNoBearer(t, err)
	}
	s := serveRaw(t, func(net.Conn) {})
	_ = s.listener.Close()
	if _, err := lister(t, s.url(), nil).Accounts(t.Context(), bearer); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody listens: %v", err)
	}
}

// A server that never answers is left by the caller, by Close and by the deadline.
func TestAccountsThatHang(t *testing.T) {
	for name, end := range map[string]func(context.CancelFunc, *Provider){
		"called off": func(cancel context.CancelFunc, _ *Provider) { cancel() },
		"closed":     func(_ context.CancelFunc, p *Provider) { p.Close() },
		"deadline":   func(context.CancelFunc, *Provider) {},
	} {
		t.Run(name, func(t *testing.T) {
			asked, over := make(chan struct{}), make(chan struct{})
			s := serveRaw(t, func(net.Conn) {
				close(asked)
				<-over
			})
			defer close(over)
			profile := profileAt(t, s.url())
			profile.AccountsURL, profile.AccountsIDs = s.url(), "/*"
			o := Options{}
			if name == "deadline" {
				o.Budget = budget.Of(200 * time.Millisecond)
			}
			p := open(t, profile, o)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-asked
				end(cancel, p)
			}()
			if _, err := p.Accounts(ctx, bearer); !errors.Is(err, ErrUnreachable) {
				t.Error(err)
			}
		})
	}
}

// The address rule holds for what is read, too.
func TestAccountsAreReadUnderTheAddressRule(t *testing.T) {
	s := serve(t, answering(`{"accounts":[]}`))
	p := profileAt(t, s.URL)
	p.TokenURL, p.AllowLoopback = "https://op.example/token", false
	p.AccountsURL, p.AccountsIDs = strings.Replace(s.URL, "http://127.0.0.1", "https://localhost.localdomain", 1), "/*"
	provider := open(t, p, Options{})
	provider.read.accounts.Scheme, provider.read.accounts.Host = "http", s.Listener.Addr().String()
	if _, err := provider.Accounts(t.Context(), bearer); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "allow_loopback") {
		t.Error(err)
	}
	if s.posts.Load() != 0 {
		t.Error("this host was asked")
	}
}

func TestNoAccounts(t *testing.T) {
	p := open(t, profileAt(t, "http://127.0.0.1:1"), Options{})
	_, err := p.Accounts(t.Context(), bearer)
	_, customer := p.Customer(t.Context(), bearer)
	if p.HasAccounts() || p.HasCustomer() || !errors.Is(err, ErrNotSupported) || !errors.Is(customer, ErrNotSupported) {
		t.Errorf("%v, %v", err, customer)
	}
	s := serve(t, answering(`{"accounts":[]}`))
	if _, err := lister(t, s.URL, nil).Accounts(t.Context(), secret.Value{}); !errors.Is(err, ErrRefused) || s.posts.Load() != 0 {
		t.Errorf("without a bearer: %v", err)
	}
}

func TestCustomer(t *testing.T) {
	for name, c := range map[string]struct {
		ids        []string
		body, want string
	}{
		"one":             {[]string{"/customer/id"}, `{"customer":{"id":"c-1"}}`, `[["c-1"]]`},
		"several, sorted": {[]string{"/id", "/docs/*/no"}, `{"docs":[{"no":"z"},{"no":"a"},{"no":"a"}],"id":7}`, `[["7"],["a","z"]]`},
		"one is missing":  {[]string{"/id", "/tax"}, `{"id":"c-1"}`, ""},
		"one is null":     {[]string{"/id"}, `{"id":null}`, ""},
		"empty list":      {[]string{"/ids/*"}, `{"ids":[]}`, ""},
	} {
		s := serve(t, answering(c.body))
		p := profileAt(t, s.URL)
		p.CustomerURL, p.CustomerIDs = s.URL+"/customer", c.ids
		got, err := open(t, p, Options{}).Customer(t.Context(), bearer)
		if got.Reveal() != c.want || c.want == "" && !errors.Is(err, ErrMalformed) || c.want != "" && err != nil {
			t.Errorf("%s: %q, %v", name, got.Reveal(), err)
		}
		if err != nil && (strings.Contains(err.Error(), "c-1") || !strings.Contains(err.Error(), "customer")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
