package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// session is what a service keeps of a link.
type session struct{ bearer, refresh string }

// naive is the side of services that refresh for themselves: the token store is
// shared, everyone looks there first, and nobody waits for anybody. This is how
// it is commonly done, and done well: a client library that presents a token
// once only, and a store that never loses an answer.
type naive struct {
	sim     *providertest.Server
	client  *http.Client
	targets []target
	apps    map[string]app

	mu    sync.Mutex
	store []session // by target
}

// app is a registration at one provider.
type app struct {
	oauth2.Config
	bearerID bool
}

// runNaive sends the same storm over services that refresh for themselves, with
// grants and a ledger of its own.
func runNaive(ctx context.Context, o Options, dir string) (figures []NaiveFigures, err error) {
	n, err := newNaive(o, filepath.Join(dir, "naive"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.sim.Close()) }()
	defer n.client.CloseIdleConnections()
	if err := n.grants(o); err != nil {
		return nil, err
	}
	o.Progress.Begin("401s without Regrant", o.Reports)
	defer o.Progress.End()
	if err := (&storm{client: n.client, side: n, targets: n.targets, progress: o.Progress}).run(ctx); err != nil {
		return nil, err
	}
	return n.measure(ctx, o)
}

func newNaive(o Options, dir string) (*naive, error) {
	behaviours, err := o.behaviours()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	sim, err := providertest.Start(providertest.Config{Dir: dir, Providers: behaviours, Log: o.Log})
	if err != nil {
		return nil, err
	}
	return &naive{sim: sim, client: newClient(), apps: map[string]app{}}, nil
}

// grants gives every user a grant, in the shared store, and kills its bearer.
func (n *naive) grants(o Options) error {
	link := 0
	for i, provider := range o.Providers {
		profile, err := providers.Builtin(provider)
		if err != nil {
			return err
		}
		at := n.sim.Endpoints(provider)
		n.apps[provider] = newApp(at, profile)
		for range share(o.Links, len(o.Providers), i) {
			g := n.sim.Issue(provider, fmt.Sprintf("%s-user-%d", provider, link))
			n.targets = append(n.targets, target{
				provider: provider, family: g.Family, resource: at.ResourceURL, bearer: g.Bearer,
				reports: share(o.Reports, o.Links, link),
			})
			n.store = append(n.store, session{g.Bearer, g.RefreshToken})
			n.sim.Kill(g.Family)
			link++
		}
	}
	return nil
}

func newApp(at providertest.Endpoints, p providers.Profile) app {
	style := oauth2.AuthStyleInHeader
	if at.AuthStyle == "post" {
		style = oauth2.AuthStyleInParams
	}
	return app{bearerID: p.Bearer == providers.BearerID, Config: oauth2.Config{
		ClientID: at.ClientID, ClientSecret: at.ClientSecret, Endpoint: oauth2.Endpoint{TokenURL: at.TokenURL, AuthStyle: style},
	}}
}

// notice: a service looks whether the store has another token by now. If so, it
// goes on with that one; else it refreshes.
func (n *naive) notice(_, t int) reaction {
	now := n.load(t)
	return func(ctx context.Context) error {
		if now.bearer != n.targets[t].bearer {
			status, err := use(ctx, n.client, n.targets[t].resource, now.bearer)
			if err != nil || status == http.StatusOK {
				return err
			}
		}
		_, err := n.refresh(ctx, t, now)
		return err
	}
}

// refresh says whether it worked; an error is the demo's own.
func (n *naive) refresh(ctx context.Context, t int, with session) (bool, error) {
	of := n.apps[n.targets[t].provider]
	asked := context.WithValue(ctx, oauth2.HTTPClient, n.client)
	token, err := of.TokenSource(asked, &oauth2.Token{RefreshToken: with.refresh}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("refresh without Regrant at %s: %w", n.targets[t].provider, err)
	}
	next := session{bearer: token.AccessToken, refresh: token.RefreshToken}
	if of.bearerID {
		next.bearer, _ = token.Extra("id_token").(string)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.store[t] = next
	return true, nil
}

func (n *naive) load(t int) session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.store[t]
}

// measure reads the ledger first: finding out who must log in again presents too.
func (n *naive) measure(ctx context.Context, o Options) ([]NaiveFigures, error) {
	ledger, err := n.sim.Ledger()
	if err != nil {
		return nil, err
	}
	var all []NaiveFigures
	for _, p := range o.Providers {
		f := Figures{Provider: p, Revoked: n.sim.Revoked(p)}
		f.count(ledger)
		all = append(all, NaiveFigures{
			Provider: p, Presentations: f.Presentations, Revoked: f.Revoked,
			Refreshes: len(ledger.Presentations(providertest.Filter{Provider: p, Outcome: providertest.OK})),
		})
	}
	return all, n.loggedOut(ctx, all)
}

// loggedOut counts users with whose stored session nothing can be done any more.
func (n *naive) loggedOut(ctx context.Context, all []NaiveFigures) error {
	var mu sync.Mutex
	of := map[string]*NaiveFigures{}
	for i := range all {
		of[all[i].Provider] = &all[i]
	}
	return each(ctx, len(n.targets), func(ctx context.Context, t int) error {
		alive, err := n.alive(ctx, t)
		mu.Lock()
		defer mu.Unlock()
		f := of[n.targets[t].provider]
		f.Expiries++
		f.Reports += n.targets[t].reports
		if !alive {
			f.LoggedOut++
		}
		return err
	})
}

// alive tries the stored bearer, and the stored refresh token if it is refused.
func (n *naive) alive(ctx context.Context, t int) (bool, error) {
	now := n.load(t)
	status, err := use(ctx, n.client, n.targets[t].resource, now.bearer)
	if err != nil || status == http.StatusOK {
		return err == nil, err
	}
	return n.refresh(ctx, t, now)
}
