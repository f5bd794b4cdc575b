package reconsent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/testop"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/seal"
)

func TestMain(m *testing.M) {
	locks.RouteClientLog(slog.New(slog.DiscardHandler)) // of clients that are closed under their users
	goleak.VerifyTestMain(m)
}

// patience bounds every wait: for no machine to be too slow.
const patience = 2 * time.Minute

// The configured providers: one for each policy, all of them the same OpenID
// provider under client registrations of their own.
const (
	replaces   = "replaces"
	holds      = "holds"
	holdsToken = "holds-token" // and may revoke a token without ending its grant
	keepsBoth  = "keeps-both"
	nameless   = "nameless" // and tells nobody who logged in
)

var policies = map[string]string{replaces: "replace", holds: "hold", holdsToken: "hold", keepsBoth: "keep_both", nameless: "hold"}

const (
	redirectURI  = testop.RedirectURI
	clientSecret = "a secret: with+odd %characters"
	scopes       = "openid offline_access accounts payments"
	accountsPage = 2
)

// stack is a cell as an operator sets it up, and the provider that it works with.
type stack struct {
	op                *testop.OP
	config            string
	worker, publisher string // the programs
	keys              *seal.Keys
	bus               *bus.Bus // for what the commands do not do: to stage tokens
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{
		op:     testop.Start(t, testop.Config{Clients: clients(), AccountsPage: accountsPage}),
		worker: testenv.Build(t, "./cmd/worker"), publisher: testenv.Build(t, "./cmd/publisher"),
	}
	s.configure(t, t.TempDir(), testenv.NATS(t), testenv.Redis(t))
	s.run(t, exits(0), s.worker, "keys", "new")
	s.run(t, exits(0), s.worker, "provision")
	var err error
	if s.keys, err = seal.Load(filepath.Join(filepath.Dir(s.config), "keys.json")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		testenv.Start(t, testenv.Command{Path: s.worker, Args: []string{"run", "--config", s.config, "--log-level", "debug"}, Ready: "worker ready"})
	}
	return s
}

func clients() (all []testop.Client) {
	for name := range policies {
		all = append(all, testop.Client{ID: name, Secret: clientSecret})
	}
	return all
}

// configure writes the file of the cell, and opens what is not done by command.
func (s *stack) configure(t *testing.T, dir, natsURL, redisURL string) {
	t.Helper()
	at := s.op.Endpoints()
	text := fmt.Sprintf(`nats: { url: %q, prefix: reconsent }
redis: { url: %q }
keys: { file: keys.json }
data_dir: data
providers:
`, natsURL, redisURL)
	for name, policy := range policies {
		text += fmt.Sprintf(`  %s:
    issuer: %q
    token_url: %q
    authorize_url: %q
    accounts_url: %q
    accounts_ids: /accounts/*/accountId
    accounts_next: /links/next/href
    customer_url: %q
    customer_ids: [/customerId]
    client_id: %s
    client_secret_file: op.secret
    auth_style: basic
    scopes: [%s]
    rotation: always
    iss_parameter: required
    min_interval: 0s
    allow_loopback: true
    on_different_login: %s
`, name, at.Issuer, at.Token, at.Authorize, at.Accounts, at.Customer, name, strings.ReplaceAll(scopes, " ", ", "), policy)
		if name != nameless {
			text += fmt.Sprintf("    jwks_url: %q\n    id_token_algs: [RS256]\n", at.JWKS)
		}
		if name == holdsToken {
			text += fmt.Sprintf("    revocation_url: %q\n    revocation_scope: token\n", at.Revoke)
		}
	}
	s.config = filepath.Join(dir, "regrant.yaml")
	for file, content := range map[string]string{s.config: text, filepath.Join(dir, "op.secret"): clientSecret} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.bus, err = bus.Connect(t.Context(), bus.Config{URL: natsURL, Prefix: "reconsent", Role: "callback", Name: "stager", Log: testenv.Log(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.bus.Close(context.Background()) })
}

// ending is how a command must end, and what it is given.
type ending struct {
	code int
	says string // on its standard error
	in   string
}

func exits(code int) ending { return ending{code: code} }

// run runs a command to its end and returns what it printed.
func (s *stack) run(t *testing.T, want ending, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "REGRANT_CONFIG="+s.config)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(want.in), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	line := filepath.Base(program) + " " + strings.Join(args, " ")
	if got := cmd.ProcessState.ExitCode(); got != want.code {
		t.Fatalf("%s: exit code %d, want %d:\n%s%s", line, got, want.code, &out, &errs)
	}
	if !strings.Contains(errs.String(), want.says) || (want.says == "" && errs.Len() > 0) {
		t.Errorf("%s: says %q, want %q", line, &errs, want.says)
	}
	return out.String()
}
