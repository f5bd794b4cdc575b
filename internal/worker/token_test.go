package worker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
)

// bearer asks the workers for a link's bearer.
func bearer(t *testing.T, c *fleet.Cell, a events.Address, in api.Token) (api.Bearer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out api.Bearer
	err := c.Bus.Request(ctx, c.Bus.Names().Subjects().APILink(a, api.VerbToken), in, &out)
	return out, err
}

func wantCode(t *testing.T, err error, code api.Code) {
	t.Helper()
	if e := (*api.Error)(nil); !errors.As(err, &e) || e.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// A service reads the bearer, finds it dead, reports it and waits for the next: at
// whichever worker, and whichever refreshes.
func TestServicesReadWhatWasRefreshed(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	start(t, c, "w1", nil)
	start(t, c, "w2", nil)
	for _, l := range imported(t, c, 5) {
		first, err := bearer(t, c, l.Address, api.Token{})
		if err != nil || string(first.AccessToken) != l.Bearer || first.Generation != 1 {
			t.Fatalf("first: %+v, %v", first, err)
		}
		report(t, c, l)
		second, err := bearer(t, c, l.Address, api.Token{MinGeneration: 2, Wait: 30})
		if err != nil || second.Generation != 2 || second.AccessToken == first.AccessToken {
			t.Fatalf("second: %+v, %v", second, err)
		}
		if is := link(t, c, l.Address); second.Fingerprint != is.Fingerprint || !second.ExpiresAt.Equal(is.ExpiresAt) {
			t.Errorf("served %+v, the record has %s until %s", second, is.Fingerprint, is.ExpiresAt)
		}
	}
	if n := presentations(t, c); n != 5 {
		t.Errorf("%d presentations for 5 links", n)
	}
	_, err := bearer(t, c, events.Address{Tenant: "default", Provider: "op", Link: "none"}, api.Token{})
	wantCode(t, err, api.NotFound)
}

func TestAWorkerThatStopsKeepsNobodyWaiting(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	w := start(t, c, "w1", nil)
	l := imported(t, c, 1)[0]
	if _, err := bearer(t, c, l.Address, api.Token{MinGeneration: 2}); err == nil {
		t.Fatal("generation 2 is there")
	}
	answer := make(chan error, 1)
	go func() {
		_, err := bearer(t, c, l.Address, api.Token{MinGeneration: 2, Wait: 30})
		answer <- err
	}()
	closeWithin(t, w.Stop)
	wantCode(t, <-answer, api.Unavailable)
}
