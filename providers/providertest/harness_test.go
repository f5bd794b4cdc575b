package providertest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		beChild(dir)
	}
	goleak.VerifyTestMain(m)
}

// clock stands still until told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is one provider named op, a clock and a client.
type bench struct {
	*Server
	t     *testing.T
	clock *clock
	http  *http.Client
}

func start(t *testing.T, b Behaviour) *bench {
	t.Helper()
	c := newClock()
	s, err := Start(Config{
		Dir: t.TempDir(), Providers: map[string]Behaviour{"op": b}, Clock: c.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{Server: s, t: t, clock: c, http: newClient()}
}

// newClient keeps no connections and follows no redirects.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what a client saw of a token request.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
		Expires int    `json:"expires_in"`
		Error   string `json:"error"`
		About   string `json:"error_description"`
		Scope   string `json:"scope"`
		Ends    int    `json:"refresh_token_expires_in"`
	}
	err error
}

func (b *bench) refresh(token string) answer {
	return b.post(refreshForm(token))
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func (b *bench) exchange(code string) answer {
	return b.post(url.Values{"grant_type": {"authorization_code"}, "code": {code}})
}

// post authenticates as the provider asks for.
func (b *bench) post(form url.Values) answer {
	at := b.Endpoints("op")
	if form.Get("grant_type") == KindCode {
		at.AuthStyle = at.CodeAuthStyle
	}
	return post(b.http, at, form)
}

func post(client *http.Client, at Endpoints, form url.Values) answer {
	return postContext(context.Background(), client, at, form)
}

func postContext(ctx context.Context, client *http.Client, at Endpoints, form url.Values) answer {
	if at.AuthStyle == "post" {
		form.Set("client_id", at.ClientID)
		form.Set("client_secret", at.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if at.AuthStyle == "basic" {
		req.SetBasicAuth(url.QueryEscape(at.ClientID), url.QueryEscape(at.ClientSecret))
	}
	return do(client, req)
}

func do(client *http.Client, req *http.Request) answer {
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text), err: err}
	_ = json.Unmarshal(text, &a.body) // some answers are garbage on purpose
	return a
}

func (b *bench) resource(bearer string) answer {
	req, err := http.NewRequest(http.MethodGet, b.Endpoints("op").ResourceURL, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	return do(b.http, req)
}

// mustRefresh expects success and returns the answer.
func (b *bench) mustRefresh(token string) answer {
	b.t.Helper()
	a := b.refresh(token)
	if a.status != http.StatusOK {
		b.t.Fatalf("refresh answered %d %s %v, want 200", a.status, a.text, a.err)
	}
	return a
}

// mustDie expects the dead-token answer.
func (b *bench) mustDie(token string) {
	b.t.Helper()
	if a := b.refresh(token); a.status != http.StatusBadRequest || a.body.Error != "invalid_grant" {
		b.t.Fatalf("refresh answered %d %s %v, want 400 invalid_grant", a.status, a.text, a.err)
	}
}

// outcomes expects exactly these on disk, in order of arrival.
func (b *bench) outcomes(want ...Outcome) {
	b.t.Helper()
	expectOutcomes(b.t, b.LedgerPath(), want...)
}

func (b *bench) state(family string) FamilyState {
	b.t.Helper()
	state, ok := b.Family(family)
	if !ok {
		b.t.Fatalf("no family %s", family)
	}
	return state
}
