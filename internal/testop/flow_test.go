package testop_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/internal/testop"
)

func TestCodeFlow(t *testing.T) {
	a := start(t, testop.Config{})
	back := a.consent(t, "alice")
	if back.State != state || back.Iss != a.op.Endpoints().Issuer || back.Error != "" {
		t.Fatalf("callback %+v", back)
	}
	tok, err := a.exchange(back.Code)
	if err != nil {
		t.Fatal(err)
	}
	id, claims := a.idToken(t, tok)
	if id.Subject != "alice" || id.Nonce != nonce || claims["tier"] != "gold" {
		t.Errorf("ID token of %s with nonce %q: %v", id.Subject, id.Nonce, claims)
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		t.Error(err)
	}
	if tok.RefreshToken == "" || tok.Extra("scope") != "openid offline_access accounts payments" {
		t.Errorf("refresh token %q, scope %q", tok.RefreshToken, tok.Extra("scope"))
	}
	info, err := a.provider.UserInfo(a.ctx, oauth2.StaticTokenSource(tok))
	if err != nil || info.Subject != "alice" {
		t.Errorf("userinfo %+v: %v", info, err)
	}
}

func TestEndpointsAreThoseOfDiscovery(t *testing.T) {
	a := start(t, testop.Config{})
	at := a.op.Endpoints()
	var doc struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
		JWKS      string `json:"jwks_uri"`
		Userinfo  string `json:"userinfo_endpoint"`
		Revoke    string `json:"revocation_endpoint"`
		Iss       bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := a.provider.Claims(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Authorize != at.Authorize || doc.Token != at.Token || doc.JWKS != at.JWKS ||
		doc.Userinfo != at.Userinfo || doc.Revoke != at.Revoke || !doc.Iss {
		t.Errorf("discovery says %+v, Endpoints %+v", doc, at)
	}
}

func TestClientThatPostsItsSecret(t *testing.T) {
	a := start(t, testop.Config{Clients: []testop.Client{{ID: "poster", Secret: "s", Post: true}}})
	a.mustRefresh(t, a.link(t, "alice").RefreshToken)
}

// The user may leave scopes out: then fewer are granted, which is no error.
func TestFewerScopes(t *testing.T) {
	a := start(t, testop.Config{})
	tok := a.link(t, "alice", testop.Without("payments"))
	if tok.Extra("scope") != "openid offline_access accounts" {
		t.Errorf("scope %q", tok.Extra("scope"))
	}
	if next := a.mustRefresh(t, tok.RefreshToken); next.Extra("scope") != "openid offline_access accounts" {
		t.Errorf("scope %q after a refresh", next.Extra("scope"))
	}
	if tok := a.link(t, "alice", testop.Without("offline_access")); tok.RefreshToken != "" {
		t.Error("a refresh token without offline_access")
	}
}

func TestDeny(t *testing.T) {
	a := start(t, testop.Config{})
	want := testop.Callback{State: state, Iss: a.op.Endpoints().Issuer, Error: "access_denied"}
	if back := a.consent(t, "alice", testop.Deny()); back != want {
		t.Errorf("callback %+v, want %+v", back, want)
	}
}

// A subject may be 255 characters of anything, also of what separates things elsewhere.
func TestOddSubject(t *testing.T) {
	odd := strings.Repeat(`:/"<&%2F é|`, 23)[:255]
	a := start(t, testop.Config{})
	a.op.User(testop.User{Sub: odd, Accounts: []string{"x"}})
	tok := a.link(t, odd)
	if id, _ := a.idToken(t, a.mustRefresh(t, tok.RefreshToken)); id.Subject != odd {
		t.Errorf("subject %q", id.Subject)
	}
	if status, _ := a.get(t, a.op.Endpoints().Accounts, tok.AccessToken); status != 200 {
		t.Errorf("accounts answered %d", status)
	}
}

func TestWitness(t *testing.T) {
	a := start(t, testop.Config{})
	back := a.consent(t, "alice")
	first, err := a.exchange(back.Code)
	if err != nil {
		t.Fatal(err)
	}
	second := a.mustRefresh(t, first.RefreshToken)
	_, err = a.exchange(back.Code)
	refused(t, err, "invalid_grant")

	seen := a.op.Counts()
	if seen.Codes[back.Code] != 2 || seen.RefreshTokens[first.RefreshToken] != 1 || len(seen.RefreshTokens) != 1 {
		t.Errorf("counted %v", seen)
	}
	for _, tok := range []*oauth2.Token{first, second} {
		for _, s := range []string{tok.AccessToken, tok.RefreshToken, tok.Extra("id_token").(string)} {
			if !slices.Contains(a.op.Issued(), s) {
				t.Errorf("a token is missing among those issued")
			}
		}
	}
}
