package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/torture/nemesis"
)

// TestMain lets this binary be the simulator too, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == simulatorWord {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := simulate(ctx, os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// present shows a refresh token to the simulator, and says how it was answered.
func present(t *testing.T, s *simulator, provider, token string) int {
	t.Helper()
	at := s.Endpoints(provider)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.TokenURL, strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(at.ClientID, at.ClientSecret)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestTheSimulatorIsAProcessWithALedger(t *testing.T) {
	s, err := startSimulator(t.TempDir())
	t.Cleanup(func() { s.close() })
	must(t, err)
	g := s.Issue("alpha", "somebody")
	must(t, s.script("alpha", nemesis.Provider503, 2))
	if got := present(t, s, "alpha", g.RefreshToken); got != http.StatusServiceUnavailable {
		t.Errorf("scripted, it answered %d", got)
	}
	must(t, s.unscript("alpha"))
	if got := present(t, s, "alpha", g.RefreshToken); got != http.StatusOK {
		t.Errorf("unscripted, it answered %d", got)
	}
	s.Kill()
	ledger, err := os.ReadFile(ledgerIn(s.dir))
	must(t, err)
	if n := strings.Count(string(ledger), g.Family); n != 2 {
		t.Errorf("the ledger names the family %d times:\n%s", n, ledger)
	}
}

func TestEveryKindOfFaultHasItsAct(t *testing.T) {
	c := &cell{nats: &server{}, redis: &server{}, sim: &simulator{server: &server{}}}
	acts := c.acts()
	schedule := nemesis.Schedule(1, 30*time.Minute, nemesis.Fleet{Workers: workers, Providers: names(), LockTTL: lockTTL})
	for _, a := range schedule {
		if acts[a.Kind] == nil {
			t.Fatalf("nobody does %s", a.Kind)
		}
	}
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-for", "30m", "-seed", "7"}, os.Stderr)
	must(t, err)
	if o.length != 30*time.Minute || o.baselineFor != 3*time.Minute || o.seed != 7 || !o.lockOnly {
		t.Errorf("%+v", o)
	}
	if o, err = parse(nil, os.Stderr); err != nil || o.seed == 0 || o.baselineFor != 20*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}
