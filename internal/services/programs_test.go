package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
)

// command is one run of a program as a user, and what is to come of it.
type command struct {
	user, line string
	stdin      string
	exit       int
	prints     string // on either output
}

// TestEachRoleByTheCommands runs what people run, each with its role's credentials.
func TestEachRoleByTheCommands(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	config, err := g.WriteConfig()
	must(t, err)
	for _, c := range []command{
		{user: "admin", line: "worker provision", prints: "REGRANT_AUDIT"},
		{user: "operator", line: "worker links list --user user", prints: " B "},
		{user: "operator", line: "worker links show A", prints: "active"},
		{user: "reporter", line: "publisher token-expired --provider op --link A --generation 1", prints: "reported"},
		{user: "operator", line: "publisher watch --type token-rotated --link A --since 1h --count 1", prints: `"generation":2`},
		{user: "operator", line: "publisher dead list"},
		{user: "operator", line: "worker links import", stdin: g.line(t, "C"), prints: "imported 1, bad 0"},
		{user: "operator", line: "worker links revoke C", prints: "C"},
	} {
		g.runs(t, config, c)
	}
	g.consents(t, config, "")
	g.awaitStatus(t, "C", links.Revoked)
}

// TestAnOperatorByTheCommands runs what only operators have reason to.
func TestAnOperatorByTheCommands(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	config, err := g.WriteConfig()
	must(t, err)
	g.runs(t, config, command{user: "reporter", line: "publisher token-expired --provider op --link A --generation 9", prints: "reported"})
	g.awaitLetter(t, 1)
	for _, line := range []struct{ line, prints string }{
		{"publisher dead list", "token-expired"},
		{"publisher dead show 1 --payload", "generation"},
		{"publisher dead retry 1", "1"},
		{"publisher replay --since 1h --dry-run", "0 would call a provider"}, // asks workers to explain
		{"publisher replay --since 1h", "replayed "},
		{"worker keys list", "primary"},
		{"worker keys rotate", "Added key"},
		{"worker keys rotate --promote", "seals from now on"},
		{"worker keys reseal", "Resealed"},
		{"worker keys list --offline", "retired"},
		{"publisher audit --actor operator: --json", "keys-rotated"},
	} {
		g.runs(t, config, command{user: "operator", line: line.line, prints: line.prints})
	}
	g.awaitLetter(t, 2) // of what was retried
	g.runs(t, config, command{user: "operator", line: "publisher dead drop 2", prints: "dropped 1"})
	var shown struct{ Status links.Status }
	err = g.Bus.Request(t.Context(), g.Bus.Names().Subjects().APILink(g.links["A"].Address, api.VerbShow), struct{}{}, &shown)
	if err != nil || shown.Status != links.Active {
		t.Errorf("the operator was shown A as %q: %v", shown.Status, err)
	}
}

// TestNobodyElseByTheCommands: each refusal is said as such (exit 3), without a time-out.
func TestNobodyElseByTheCommands(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	config, err := g.WriteConfig()
	must(t, err)
	for _, c := range []command{
		{user: "operator", line: "publisher token-expired --provider op --link A --generation 2", exit: cli.NotPermitted, prints: "worker permissions --role reporter"},
		{user: "operator", line: "worker provision", exit: cli.NotPermitted},
		{user: "worker", line: "worker provision", exit: cli.NotPermitted},
		{user: "worker", line: "publisher dead list", exit: cli.NotPermitted},
		{user: "admin", line: "worker links show A", exit: cli.NotPermitted},
		{user: "reporter", line: "worker links show A", exit: cli.NotPermitted},
		{user: "reporter", line: "publisher reconsent-completed --provider op --link A --state s --code c", exit: cli.NotPermitted},
		{user: "reader-2", line: "publisher token-expired --provider op --link A --generation 2", exit: cli.NotPermitted},
		{user: "callback", line: "publisher logout-requested --provider op --link A", exit: cli.NotPermitted},
		{user: "subscriber", line: "publisher watch --count 1 --since 1h", exit: cli.NotPermitted},
		{user: "owner", line: "publisher token-expired --provider op --link A --generation 2", exit: cli.NotPermitted},
		{user: "reporter", line: "publisher replay --since 1h --dry-run", exit: cli.NotPermitted},
		{user: "worker", line: "publisher replay --since 1h", exit: cli.NotPermitted},
		{user: "subscriber", line: "publisher dead drop 1", exit: cli.NotPermitted},
		{user: "worker", line: "publisher dead retry 1", exit: cli.NotPermitted},
		{user: "admin", line: "worker keys list", exit: cli.NotPermitted},
		{user: "worker", line: "worker keys rotate", exit: cli.NotPermitted},
		{user: "callback", line: "worker keys reseal", exit: cli.NotPermitted},
		{user: "worker", line: "publisher audit", exit: cli.NotPermitted},
		{user: "reader-1", line: "publisher audit", exit: cli.NotPermitted},
	} {
		g.runs(t, config, c)
	}
}

// awaitLetter waits for the n-th dead letter.
func (g *guarded) awaitLetter(t *testing.T, n uint64) {
	t.Helper()
	testenv.Eventually(t, patience, "the input is given up", func() bool {
		s, err := g.Bus.JetStream().Stream(t.Context(), g.Bus.Names().Dead())
		return err == nil && s.CachedInfo().State.LastSeq >= n
	})
}

// consents begins a consent, goes through it and brings it back, as the callback service;
// for a link that there is, or for a new one.
func (g *guarded) consents(t *testing.T, config, link string) {
	t.Helper()
	var begun struct {
		Link         string `json:"link"`
		State        string `json:"state"`
		AuthorizeURL string `json:"authorize_url"`
	}
	line, sub := "publisher consent begin --provider op --user user --redirect-uri http://127.0.0.1:1/callback --json", "sub-new"
	if link != "" {
		line, sub = line+" --link "+link, g.links[link].Sub
	}
	text := g.runs(t, config, command{user: "callback", line: line, prints: "state"})
	must(t, json.Unmarshal([]byte(text), &begun))
	back, err := g.Sim.Consent(begun.AuthorizeURL, sub)
	must(t, err)
	g.runs(t, config, command{
		user: "callback", stdin: back.Code, prints: "sent",
		line: fmt.Sprintf("publisher reconsent-completed --provider op --link %s --state %s --iss %s --code-stdin", begun.Link, begun.State, back.Iss),
	})
	g.awaitStatus(t, begun.Link, links.Active)
}

func (g *guarded) awaitStatus(t *testing.T, link string, want links.Status) {
	t.Helper()
	testenv.Eventually(t, patience, fmt.Sprintf("%s is %s", link, want), func() bool {
		l, err := g.Link(t.Context(), events.Address{Tenant: "default", Provider: "op", Link: link})
		return err == nil && l.Status == want
	})
}

// line is what imports a link.
func (g *guarded) line(t *testing.T, link string) string {
	t.Helper()
	grant := g.Sim.Issue("op", "sub-"+link)
	text, err := json.Marshal(map[string]any{
		"tenant": "default", "provider": "op", "link": link, "user": "user", "sub": "sub-" + link,
		"access_token": grant.AccessToken, "refresh_token": grant.RefreshToken, "expires_at": grant.ExpiresAt,
	})
	must(t, err)
	return string(text)
}

// runs runs a command, and returns what it prints to standard output.
func (g *guarded) runs(t *testing.T, config string, c command) string {
	t.Helper()
	words := strings.Fields(c.line)
	program := testenv.Build(t, "github.com/regrant/regrant/cmd/"+words[0])
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(words[1:], "--config", config, "--nats-url", g.as(t, c.user))...)
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(c.stdin), &said
	out, err := cmd.Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != c.exit || !strings.Contains(string(out)+said.String(), c.prints) {
		t.Errorf("%s as %s: exit %d, want %d; it said %s%s", c.line, c.user, code, c.exit, out, said.String())
	}
	return string(out)
}
