package lifetime

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"testing/synctest"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers/providertest"
)

// redirectURI is where the callback service would be.
const redirectURI = "https://app.example/callback"

// User is one user of the application, with a browser that keeps its sessions.
type User struct {
	Name    string
	world   *World
	browser *http.Client
}

// User makes a user.
func (w *World) User(name string) *User {
	jar, _ := cookiejar.New(nil) // it has no error to give
	return &User{Name: name, world: w, browser: &http.Client{Jar: jar, Transport: w.web.Transport, CheckRedirect: stay}}
}

// Trip is one way to a provider and back.
type Trip struct {
	Provider string
	// Link to consent again for; zero: a new one.
	Link events.Address
	// As is the login that is used where the provider asks for one, and Options what
	// is decided there.
	As      string
	Options []providertest.ConsentOption
	// What consent.begin is asked for beside these.
	Nickname, Prompt, LoginHint string
	Scopes                      []string
}

// Consent begins a flow, goes there and comes back: the callback service reports
// it. It returns the link that the flow is for, when everything has come to rest.
func (u *User) Consent(t Trip) events.Address {
	u.world.t.Helper()
	back, a := u.Travel(t)
	u.world.Report(back)
	synctest.Wait()
	return a
}

// Travel is Consent without its end: what the callback service is to report, for
// tests that lose it, delay it or report it twice.
func (u *User) Travel(t Trip) (events.ReconsentCompleted, events.Address) {
	u.world.t.Helper()
	back, a, err := u.travel(t)
	if err != nil {
		u.world.t.Fatal(err)
	}
	return back, a
}

func (u *User) travel(t Trip) (back events.ReconsentCompleted, a events.Address, err error) {
	running := u.world.queue.running()
	if len(running) == 0 {
		return back, a, fmt.Errorf("no worker runs")
	}
	begun, err := running[0].H.ConsentBegin(context.Background(), Tenant, api.ConsentBegin{
		Provider: t.Provider, Link: t.Link.Link, User: u.Name, Nickname: t.Nickname, RedirectURI: redirectURI,
		Scopes: t.Scopes, Prompt: t.Prompt, LoginHint: t.LoginHint,
	})
	if err != nil {
		return back, a, err
	}
	a = events.Address{Tenant: Tenant, Provider: t.Provider, Link: begun.Link}
	back, err = u.visit(begun.AuthorizeURL, t)
	back.Address = a
	if family, ok := u.world.Sim.FamilyOf(string(back.Code)); ok {
		u.world.families.Store(family, a)
	}
	return back, a, err
}

// visit opens the authorize URL. One user at a time is at the providers, because
// who logs in is scripted there.
func (u *User) visit(url string, t Trip) (back events.ReconsentCompleted, err error) {
	u.world.login.Lock()
	defer u.world.login.Unlock()
	u.world.Sim.Login(t.Provider, t.As, t.Options...)
	res, err := u.browser.Get(url)
	if err != nil {
		return back, err
	}
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil {
		return back, fmt.Errorf("the provider answered %s and no redirect", res.Status)
	}
	q := to.Query()
	return events.ReconsentCompleted{
		State: q.Get("state"), Code: events.Code(q.Get("code")), Error: q.Get("error"), Iss: q.Get("iss"),
	}, nil
}
