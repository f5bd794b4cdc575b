package handlers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

// importing is a cell into which theLink was imported, with a login of its own.
type importing struct {
	t       *testing.T
	store   *memstore.Store
	subject string
	im      *handlers.Importer
}

func newImporting(t *testing.T) importing {
	t.Helper()
	keys, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s, profile := memstore.New(time.Now), providers.Profile{ClientID: "client", Replay: rules["forbidden"]}
	w := importing{t: t, store: s, subject: links.Login("op", keys.Subject("", "client", canary+"-sub")), im: &handlers.Importer{
		Source: "//regrant/test", Tenants: []string{"default"}, Profiles: map[string]providers.Profile{"op": profile},
		Store: s, Index: s, Keys: keys, Timers: nowhere{}, Outputs: nowhere{}, Budget: budget.Of(budget.Default), Clock: time.Now,
	}}
	w.must(w.as(theLink.Link))
	return w
}

// nowhere takes timers and events, and keeps none.
type nowhere struct{}

func (nowhere) Arm(context.Context, events.Address, uint64, time.Time) error { return nil }
func (nowhere) Publish(context.Context, events.Message) error                { return nil }
func (nowhere) Last(context.Context, events.Address) (uint64, error)         { return 0, nil }

// as imports the one login as the link of an id.
func (w importing) as(id string) error {
	a := theLink
	a.Link = id
	return w.im.Import(w.t.Context(), handlers.ImportLine{
		Address: a, User: "user", Sub: canary + "-sub", Access: secret.New(canary + "-access"),
		Refresh: secret.New(canary + "-refresh"), ExpiresAt: time.Now().Add(time.Hour),
	})
}

func (w importing) owner() links.Owner {
	w.t.Helper()
	o, err := w.store.Owner(w.t.Context(), "default", w.subject)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// TestImportTakesALoginFromNobody: nobody is no link at all, a link that was
// never made, and one that has ended. Whoever lives keeps what is his.
func TestImportTakesALoginFromNobody(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrange func(importing)
		taken   bool
	}{
		{"a living link's", func(importing) {}, false},
		{"one that needs a consent", func(w importing) { w.become(links.ConsentRequired) }, false},
		{"a superseded link's", func(w importing) { w.become(links.Superseded) }, true},
		{"a revoked link's", func(w importing) { w.become(links.Revoked) }, true},
		{"released", func(w importing) { w.must(w.store.Release(w.t.Context(), "default", w.subject, theLink)) }, true},
		{"of an import that was cut short", func(w importing) {
			never := events.Address{Tenant: "default", Provider: "op", Link: "never-made"}
			w.must(w.store.Take(w.t.Context(), "default", w.subject, links.Owner{Address: never, Revision: w.owner().Revision}))
		}, true},
		{"its own, of a line that was cut short", func(w importing) {
			w.must(w.store.Take(w.t.Context(), "default", w.subject, links.Owner{Address: events.Address{Tenant: "default", Provider: "op", Link: "again"}, Revision: w.owner().Revision}))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newImporting(t)
			c.arrange(w)
			err := w.as("again")
			var bad *handlers.BadLine
			if c.taken && err != nil || !c.taken && (!errors.As(err, &bad) || bad.Field != "sub") {
				t.Errorf("%v; taken should be %v", err, c.taken)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes the login: %v", err)
			}
			if is := w.owner().Address.Link == "again"; is != c.taken {
				t.Errorf("owner %s; taken should be %v", w.owner().Address, c.taken)
			}
		})
	}
}

func (w importing) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w importing) become(status links.Status) {
	w.t.Helper()
	v, err := w.store.Latest(w.t.Context(), theLink)
	w.must(err)
	v.Link.Status = status
	_, err = w.store.Update(w.t.Context(), v.Link, v.Revision)
	w.must(err)
}

// TestImportLooksAgainWhenOvertaken: the login is nobody's when it is looked up,
// and a living link's when it is to be taken.
func TestImportLooksAgainWhenOvertaken(t *testing.T) {
	w := newImporting(t)
	w.must(w.store.Release(t.Context(), "default", w.subject, theLink))
	reached, hold := make(chan struct{}), make(chan struct{})
	w.store.Inject(memstore.Fault{Op: memstore.Take, Pass: true}, memstore.Fault{Op: memstore.Take, Reached: reached, Hold: hold, Pass: true})
	done := make(chan error)
	go func() { done <- w.as("again") }()
	<-reached
	w.must(w.store.Take(t.Context(), "default", w.subject, links.Owner{Address: theLink, Revision: w.owner().Revision}))
	close(hold)
	var bad *handlers.BadLine
	if err := <-done; !errors.As(err, &bad) {
		t.Errorf("%v; want a bad line", err)
	}
	if owner := w.owner().Address; owner != theLink {
		t.Errorf("owner %s, want %s", owner, theLink)
	}
}

// TestImportWithoutAnswers: what fails leaves no link that does not own its
// login, and the same line goes on from there.
func TestImportWithoutAnswers(t *testing.T) {
	refused := memstore.Fault{Op: memstore.Take, Pass: true} // the first claim, for the login has an owner
	for name, faults := range map[string][]memstore.Fault{
		"the first claim fails":     {{Op: memstore.Take}},
		"the owner is not told":     {{Op: memstore.Owner}},
		"not taken":                 {refused, {Op: memstore.Take}},
		"taken, but nobody says so": {refused, {Op: memstore.Take, Applied: true}},
		"the owner cannot be read":  {{Op: memstore.Latest}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newImporting(t)
			w.become(links.Revoked)
			w.store.Inject(faults...)
			if err := w.as("again"); !errors.Is(err, links.ErrUnknown) {
				t.Errorf("%v; want ErrUnknown", err)
			}
			a := theLink
			a.Link = "again"
			if _, err := w.store.Latest(t.Context(), a); !errors.Is(err, links.ErrNotFound) {
				t.Errorf("the link was made: %v", err)
			}
			w.must(w.as("again"))
			if owner := w.owner().Address; owner != a {
				t.Errorf("owner %s after the line was repeated", owner)
			}
		})
	}
}
