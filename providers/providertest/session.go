package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Names of the cookies at a provider.
const (
	loginCookie   = "login"   // whoever logs in when asked, and what they decide
	sessionCookie = "session" // whoever is logged in
)

// visit is a user before the authorize page and what they decide there.
type visit struct {
	Sub  string `json:"sub"`
	Deny string `json:"deny,omitempty"` // an error code
	// NoNonce makes the provider forget the nonce that it was asked for.
	NoNonce bool `json:"no_nonce,omitempty"`
	terms
	silent bool // a session answered and nobody was asked
}

// ConsentOption is a decision of the user, or a lie of the provider, in one
// consent. Every GrantOption is one.
type ConsentOption interface{ decide(*visit) }

func (o GrantOption) decide(v *visit) { o(&v.terms) }

type consentOption func(*visit)

func (o consentOption) decide(v *visit) { o(v) }

// Deny makes the user refuse: the redirect carries this error code; empty is
// access_denied.
func Deny(code string) ConsentOption {
	set(&code, "access_denied")
	return consentOption(func(v *visit) { v.Deny = code })
}

// WithoutNonce leaves the nonce that was asked for out of the family's ID tokens.
// For a wrong one, see WithNonce.
func WithoutNonce() ConsentOption { return consentOption(func(v *visit) { v.NoNonce = true }) }

// Login says who logs in, and decides what, at authorize requests that bring
// neither a session nor a login of their own. It holds until the next Login.
func (s *Server) Login(provider, sub string, options ...ConsentOption) {
	s.provider(provider).login.Store(newVisit(sub, options))
}

func newVisit(sub string, options []ConsentOption) *visit {
	v := &visit{Sub: sub}
	for _, option := range options {
		option.decide(v)
	}
	return v
}

// session is a browser that is logged in.
type session struct {
	sub  string
	ends time.Time
}

// logIn begins a session and returns its cookie; empty where none are kept.
func (p *provider) logIn(now time.Time, sub string) string {
	if p.behaviour.SessionTTL == 0 {
		return ""
	}
	id := opaque(32)
	p.sessions.Store(id, session{sub: sub, ends: now.Add(p.behaviour.SessionTTL)})
	// Its end is by our clock, which the browser does not have.
	return (&http.Cookie{Name: sessionCookie, Value: id, Path: "/" + p.name, HttpOnly: true}).String()
}

// loggedIn is who the browser's session belongs to; empty: nobody.
func (p *provider) loggedIn(now time.Time, r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	known, ok := p.sessions.Load(cookie.Value)
	if !ok || !now.Before(known.(session).ends) {
		return ""
	}
	return known.(session).sub
}

// visitor is who answers this authorize request; without a Sub it is nobody. A
// live session answers by itself, whatever login_hint says and whoever sits
// there: that is how a silent consent becomes the wrong person's.
func (p *provider) visitor(now time.Time, r *http.Request) (visit, error) {
	query, current := r.URL.Query(), p.loggedIn(now, r)
	prompt := query.Get("prompt")
	if prompt == "none" || (prompt == "" && current != "") {
		return visit{Sub: current, silent: true}, nil
	}
	v, brought, err := readVisit(r)
	set(&v.Sub, query.Get("login_hint"))
	if prompt == "consent" {
		set(&v.Sub, current)
	}
	if usual := p.login.Load(); usual != nil && v.Sub == "" {
		if !brought {
			return *usual, nil
		}
		v.Sub = usual.Sub
	}
	return v, err
}

// readVisit reads the login cookie: a sub or a visit in JSON, escaped as in a query.
func readVisit(r *http.Request) (v visit, brought bool, err error) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return visit{}, false, nil
	}
	text, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return visit{}, true, fmt.Errorf("the login cookie is not escaped as in a query")
	}
	if !strings.HasPrefix(text, "{") {
		return visit{Sub: text}, true, nil
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return visit{}, true, fmt.Errorf("the login cookie is no visit: %w", err)
	}
	return v, true, nil
}

func (v visit) cookie() (*http.Cookie, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("claims of %s: %w", v.Sub, err)
	}
	return &http.Cookie{Name: loginCookie, Value: url.QueryEscape(string(text))}, nil
}
