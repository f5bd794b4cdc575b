package testop_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/regrant/regrant/internal/testop"
)

func TestAccounts(t *testing.T) {
	a := start(t, testop.Config{})
	all := a.link(t, "alice")
	some := a.link(t, "alice", testop.Accounts("a3", "a1"))
	if got := a.accounts(t, all.AccessToken); !slices.Equal(got, []string{"a1", "a2", "a3"}) {
		t.Errorf("all accounts: %v", got)
	}
	if got := a.accounts(t, some.AccessToken); !slices.Equal(got, []string{"a1", "a3"}) {
		t.Errorf("chosen accounts: %v", got)
	}
	a.op.User(testop.User{Sub: "alice", Accounts: []string{"a9"}})
	if got := a.accounts(t, all.AccessToken); !slices.Equal(got, []string{"a9"}) {
		t.Errorf("all accounts after a change: %v", got)
	}
	if got := a.accounts(t, a.mustRefresh(t, some.RefreshToken).AccessToken); !slices.Equal(got, []string{"a1", "a3"}) {
		t.Errorf("chosen accounts after a refresh: %v", got)
	}
}

func TestAccountsInPages(t *testing.T) {
	a := start(t, testop.Config{AccountsPage: 400})
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprintf("acc-%d", i))
	}
	a.op.User(testop.User{Sub: "alice", Accounts: want})
	if got := a.accounts(t, a.link(t, "alice").AccessToken); !slices.Equal(got, want) {
		t.Errorf("%d accounts in pages, want %d", len(got), len(want))
	}
}

// accounts follows links.next as far as it goes.
func (a *app) accounts(t *testing.T, bearer string) (ids []string) {
	t.Helper()
	for next := a.op.Endpoints().Accounts; next != ""; {
		status, body := a.get(t, next, bearer)
		if status != http.StatusOK {
			t.Fatalf("%s answered %d", next, status)
		}
		for _, x := range body["accounts"].([]any) {
			ids = append(ids, x.(map[string]any)["accountId"].(string))
		}
		next = ""
		if links, ok := body["links"].(map[string]any); ok {
			next = links["next"].(map[string]any)["href"].(string)
		}
	}
	return ids
}

func TestCustomer(t *testing.T) {
	a := start(t, testop.Config{})
	at := a.op.Endpoints()
	if _, body := a.get(t, at.Customer, a.link(t, "bob").AccessToken); body["customerId"] != "c-2" {
		t.Errorf("customer %v", body)
	}
	if status, _ := a.get(t, at.Customer, "forged"); status != http.StatusUnauthorized {
		t.Errorf("a forged bearer is answered %d", status)
	}
}

// A bearer of another provider is refused here, although all else fits.
func TestForeignBearer(t *testing.T) {
	a, b := start(t, testop.Config{}), start(t, testop.Config{})
	if status, _ := a.get(t, a.op.Endpoints().Accounts, b.link(t, "alice").AccessToken); status != http.StatusUnauthorized {
		t.Errorf("a foreign bearer is answered %d", status)
	}
}

// Wrap can lose an answer that the provider gave: it has counted the request.
func TestWrapLosesAnAnswer(t *testing.T) {
	var lose atomic.Bool
	a := start(t, testop.Config{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if lose.Load() {
				next.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}})
	back := a.consent(t, "alice")
	lose.Store(true)
	if _, err := a.exchange(back.Code); err == nil {
		t.Error("a lost answer arrived")
	}
	lose.Store(false)
	if n := a.op.Counts().Codes[back.Code]; n != 1 || len(a.op.Issued()) == 0 {
		t.Errorf("counted %d presentations, issued %d tokens", n, len(a.op.Issued()))
	}
	_, err := a.exchange(back.Code)
	refused(t, err, "invalid_grant")
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
