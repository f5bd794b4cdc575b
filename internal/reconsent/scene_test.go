package reconsent_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/testop"
)

// scene is where one row of the table is played. Users, logins and links are its
// own, under names that the row gives them.
type scene struct {
	*stack
	t        *testing.T
	tag      string // sets its users and logins apart from other scenes'
	provider string
	users    []string
	links    map[string]string // ids by name
	names    map[string]string // names of links by id, and of logins by subject HMAC
	heard    map[string]int    // how many of a link's events the row does not tell of
	printed  []string          // events that commands waited for
	callback testop.Callback   // the last one that was reported
}

func newScene(t *testing.T, s *stack, tag, provider string) *scene {
	return &scene{stack: s, t: t, tag: tag, provider: provider, links: map[string]string{}, names: map[string]string{}, heard: map[string]int{}}
}

// user is the application's own name for somebody.
func (s *scene) user(name string) string {
	for _, known := range s.users {
		if known == name {
			return name + "/" + s.tag
		}
	}
	s.users = append(s.users, name)
	return name + "/" + s.tag
}

// login is a subject at the provider. Its name begins with that of the person
// behind it, who is the provider's customer.
func (s *scene) login(name string) string {
	at := s.op.Endpoints()
	sub := fmt.Sprintf("%s %s: \"é\" %%2F", s.tag, name)
	hmac := s.keys.Subject(at.Issuer, s.provider, sub)
	if _, known := s.names[hmac]; !known {
		s.names[hmac] = name
		s.has(name, nil)
	}
	return sub
}

// has registers a login with three accounts and these claims.
func (s *scene) has(name string, claims map[string]any) {
	person, _, _ := strings.Cut(name, "-")
	s.op.User(testop.User{
		Sub: s.login(name), Customer: s.tag + person, Claims: claims,
		Accounts: []string{name + "-1", name + "-2", name + "-3"},
	})
}

func (s *scene) knows(name, id string) { s.links[name], s.names[id] = id, name }

// flow is what a callback service has when its user's browser comes back.
type flow struct{ link, state string }

// begin runs `publisher consent begin` and returns the flow and where to go.
func (s *scene) begin(link, user string) (flow, string) {
	s.t.Helper()
	args := []string{"consent", "begin", "--json", "--provider", s.provider, "--user", s.user(user), "--redirect-uri", redirectURI}
	if id := s.links[link]; id != "" {
		args = append(args, "--link", id)
	} else {
		args = append(args, "--nickname", link)
	}
	var begun api.ConsentBegun
	if err := json.Unmarshal([]byte(s.run(s.t, exits(0), s.publisher, args...)), &begun); err != nil {
		s.t.Fatal(err)
	}
	s.knows(link, begun.Link)
	return flow{begun.Link, begun.State}, begun.AuthorizeURL
}

// complete reports what came back, and keeps the event that is printed.
func (s *scene) complete(f flow, back testop.Callback, want ending, more ...string) {
	s.t.Helper()
	s.callback = back
	args := []string{"--link", f.link, "--state", f.state, "--iss", back.Iss}
	if back.Error != "" {
		args = append(args, "--error", back.Error)
	} else {
		args, want.in = append(args, "--code-stdin"), back.Code
	}
	s.report(want, append(args, more...)...)
}

func (s *scene) report(want ending, args ...string) {
	s.t.Helper()
	args = append([]string{"reconsent-completed", "--provider", s.provider, "--wait", patience.String()}, args...)
	s.prints(s.run(s.t, want, s.publisher, args...))
}

// prints notes an event. A dead letter is none: it has no type.
func (s *scene) prints(line string) {
	s.t.Helper()
	var e struct{ Type string }
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		s.t.Fatalf("printed %q: %v", line, err)
	}
	if e.Type != "" {
		s.printed = append(s.printed, strings.TrimSpace(line))
	}
}

// exchange does what a service does that exchanges its codes itself.
func (s *scene) exchange(login string) (*oauth2.Token, string) {
	s.t.Helper()
	at, nonce, verifier := s.op.Endpoints(), rand.Text(), oauth2.GenerateVerifier()
	c := oauth2.Config{
		ClientID: s.provider, ClientSecret: clientSecret, RedirectURL: redirectURI, Scopes: strings.Fields(scopes),
		Endpoint: oauth2.Endpoint{AuthURL: at.Authorize, TokenURL: at.Token, AuthStyle: oauth2.AuthStyleInHeader},
	}
	url := c.AuthCodeURL("its own", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce))
	tokens, err := c.Exchange(s.browser(), s.op.Consent(s.t, url, s.login(login)).Code, oauth2.VerifierOption(verifier))
	if err != nil {
		s.t.Fatal(err)
	}
	return tokens, nonce
}

// stage brings the tokens to the workers, by the API.
func (s *scene) stage(link, user, login string) api.Staged {
	s.t.Helper()
	tokens, nonce := s.exchange(login)
	id, _ := tokens.Extra("id_token").(string)
	scope, _ := tokens.Extra("scope").(string)
	var out api.Staged
	err := s.bus.Request(s.t.Context(), s.bus.Names().Subjects().API("default", api.VerbStage), api.Stage{
		Provider: s.provider, Link: s.links[link], User: s.user(user), Nickname: link, Nonce: nonce,
		AccessToken: api.Secret(tokens.AccessToken), RefreshToken: api.Secret(tokens.RefreshToken), IDToken: api.Secret(id),
		TokenType: tokens.TokenType, ExpiresIn: 900, Scope: &scope,
	}, &out)
	if err != nil {
		s.t.Fatal(err)
	}
	s.knows(link, out.Link)
	return out
}

// browser is a context with an HTTP client that the test closes.
func (s *scene) browser() context.Context {
	client := newClient(s.t)
	return context.WithValue(s.t.Context(), oauth2.HTTPClient, client)
}

// decide runs `publisher link-replacement-decided`.
func (s *scene) decide(link string, consent uint64, d events.Decision, want ending) {
	s.t.Helper()
	s.prints(s.run(s.t, want, s.publisher, "link-replacement-decided", "--provider", s.provider, "--link", s.links[link],
		"--consent", fmt.Sprint(consent), "--decision", string(d), "--wait", patience.String()))
}
