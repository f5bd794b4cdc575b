package providers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// Presenting and reading both go through the hook, to an address that the network
// does not have.
func TestDialReplacesTheNetwork(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/accounts" {
			fmt.Fprint(w, `{"accounts":[{"accountId":"a-1"}]}`)
			return
		}
		fmt.Fprint(w, goodBody)
	})
	profile := profileAt(t, "http://127.0.0.1:1")
	profile.AccountsURL, profile.AccountsIDs = "http://127.0.0.1:1/accounts", "/accounts/*/accountId"
	var dials atomic.Int64
	p := open(t, profile, Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}})
	out := refresh(t, p)
	if out.Class != OK {
		t.Fatalf("%s: %v", out.Class, out.Err)
	}
	if ids, err := p.Accounts(t.Context(), out.Answer.AccessToken); err != nil || len(ids) != 1 {
		t.Fatalf("%v, %v", ids, err)
	}
	if n := dials.Load(); n != 2 {
		t.Fatalf("dialled %d times, not twice", n)
	}
}
