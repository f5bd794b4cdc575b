package testop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/regrant/regrant/internal/testop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is a client of the provider as anybody would write one: x/oauth2 and
// go-oidc, configured by discovery.
type app struct {
	op       *testop.OP
	ctx      context.Context // with the test's own HTTP client
	http     *http.Client
	oauth    oauth2.Config
	id       *oidc.IDTokenVerifier
	provider *oidc.Provider
}

// start runs a provider with the users alice and bob, and an app of its first client.
func start(t *testing.T, cfg testop.Config) *app {
	t.Helper()
	op := testop.Start(t, cfg)
	op.User(testop.User{Sub: "alice", Accounts: []string{"a1", "a2", "a3"}, Customer: "c-1", Claims: map[string]any{"tier": "gold"}})
	op.User(testop.User{Sub: "bob", Accounts: []string{"b1"}, Customer: "c-2"})
	style := oauth2.AuthStyleInHeader
	if len(cfg.Clients) > 0 && cfg.Clients[0].Post {
		style = oauth2.AuthStyleInParams
	}
	return connect(t, op, style)
}

func connect(t *testing.T, op *testop.OP, style oauth2.AuthStyle) *app {
	t.Helper()
	at := op.Endpoints()
	a := &app{op: op, http: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(a.http.CloseIdleConnections)
	a.ctx = oidc.ClientContext(t.Context(), a.http)
	var err error
	if a.provider, err = oidc.NewProvider(a.ctx, at.Issuer); err != nil {
		t.Fatal(err)
	}
	a.oauth = oauth2.Config{
		ClientID: at.ClientID, ClientSecret: at.ClientSecret, RedirectURL: at.RedirectURI,
		Endpoint: a.provider.Endpoint(), Scopes: []string{"openid", "offline_access", "accounts", "payments"},
	}
	a.oauth.Endpoint.AuthStyle = style
	a.id = a.provider.Verifier(&oidc.Config{ClientID: at.ClientID})
	return a
}

const state, nonce, verifier = "st/1", "no/1", "a-verifier-that-is-forty-three-characters-long"

// consent goes through the browser and leaves the code unredeemed.
func (a *app) consent(t *testing.T, sub string, choices ...testop.Choice) testop.Callback {
	t.Helper()
	return a.op.Consent(t, a.authorizeURL(), sub, choices...)
}

func (a *app) authorizeURL(more ...oauth2.AuthCodeOption) string {
	opts := append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)}, more...)
	return a.oauth.AuthCodeURL(state, opts...)
}

func (a *app) exchange(code string) (*oauth2.Token, error) {
	return a.oauth.Exchange(a.ctx, code, oauth2.VerifierOption(verifier))
}

// link is a whole consent: the tokens that come of it.
func (a *app) link(t *testing.T, sub string, choices ...testop.Choice) *oauth2.Token {
	t.Helper()
	tok, err := a.exchange(a.consent(t, sub, choices...).Code)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (a *app) refresh(refreshToken string) (*oauth2.Token, error) {
	return a.oauth.TokenSource(a.ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
}

func (a *app) mustRefresh(t *testing.T, refreshToken string) *oauth2.Token {
	t.Helper()
	tok, err := a.refresh(refreshToken)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (a *app) idToken(t *testing.T, tok *oauth2.Token) (*oidc.IDToken, map[string]any) {
	t.Helper()
	raw, _ := tok.Extra("id_token").(string)
	id, err := a.id.Verify(a.ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return id, claims
}

// get answers the status and, for a good one, the JSON body.
func (a *app) get(t *testing.T, address, bearer string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	return a.do(t, req)
}

func (a *app) revoke(t *testing.T, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(a.ctx, http.MethodPost, a.op.Endpoints().Revoke, strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(a.oauth.ClientID), url.QueryEscape(a.oauth.ClientSecret))
	status, _ := a.do(t, req)
	return status
}

func (a *app) do(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if resp.StatusCode == http.StatusOK && len(raw) > 0 {
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatalf("%s: %v in %q", req.URL.Path, err, raw)
		}
	}
	return resp.StatusCode, body
}

// refused checks that the token endpoint said code and nothing else went wrong.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var retrieve *oauth2.RetrieveError
	if !errors.As(err, &retrieve) || retrieve.ErrorCode != code {
		t.Errorf("got %v, want the error %s", err, code)
	}
}
