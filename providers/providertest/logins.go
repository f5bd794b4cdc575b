package providertest

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"sync"
)

// logins are the credentials at one provider that begin a family by themselves,
// without a code.
type logins struct {
	mu        sync.Mutex
	passwords map[string]string // by login
	keys      map[string]string // API key → login
}

// SetPassword makes the login known with this password, or changes it. What its
// families hold stays good. The login is the sub.
func (s *Server) SetPassword(provider, login, password string) {
	p := s.provider(provider)
	p.shared.Store(password, nil)
	p.logins.mu.Lock()
	defer p.logins.mu.Unlock()
	p.logins.passwords[login] = password
}

// IssueAPIKey makes a key that begins a family of the login each time it is shown.
func (s *Server) IssueAPIKey(provider, login string) string {
	p, key := s.provider(provider), opaque(40)
	p.shared.Store(key, nil)
	p.logins.mu.Lock()
	defer p.logins.mu.Unlock()
	p.logins.keys[key] = login
	return key
}

// RevokeAPIKey ends the key and leaves what began with it. It is false for a key
// that is not good.
func (s *Server) RevokeAPIKey(provider, key string) bool {
	l := &s.provider(provider).logins
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.keys[key]
	delete(l.keys, key)
	return ok
}

// password is the login if that is its password, or empty.
func (l *logins) password(login, password string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.passwords[login]
	if !ok || subtle.ConstantTimeCompare([]byte(password), []byte(known)) != 1 {
		return ""
	}
	return login
}

func (l *logins) key(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[key]
}

// readLogin reads a grant that begins a family, if this is one that the provider
// allows.
func (p *provider) readLogin(req *tokenRequest, form url.Values) {
	b := p.behaviour
	switch grant := form.Get("grant_type"); {
	case grant == KindPassword && b.Password:
		password := p.shown(form.Get("password"))
		req.kind, req.login = KindPassword, p.logins.password(form.Get("username"), password)
		req.lacks(form, "username", "password")
	case grant == b.APIKeyGrant && b.APIKeys:
		key := p.shown(form.Get(b.APIKeyParam))
		req.kind, req.login = KindAPIKey, p.logins.key(key)
		req.lacks(form, b.APIKeyParam)
	case grant == KindClient && b.ClientCredentials:
		req.kind, req.login = KindClient, b.ClientID
	}
	if begins(req.kind) {
		req.scope = form.Get("scope")
	}
}

// begins says whether a credential of this kind begins a family each time it is
// shown.
func begins(kind string) bool {
	return kind == KindPassword || kind == KindAPIKey || kind == KindClient
}

// logIn begins a family for whoever is known.
func (s *Server) logIn(p *provider, req tokenRequest) decision {
	if req.login == "" {
		return decision{outcome: Refused, answer: oauthError(http.StatusBadRequest, "invalid_grant", "Unknown login or wrong credential.")}
	}
	now := s.cfg.Clock()
	f := s.newFamily(p.name, req.login, []GrantOption{WithScope(req.scope)})
	f.takeOver(now)
	first, err := f.begin(now)
	s.must(err)
	if req.kind == KindClient {
		f.bare(first)
	}
	return decision{outcome: OK, answer: f.grantReply(now, req, first), issued: first, began: f}
}

// bare is for a bearer without a refresh token: what stands in its place, unseen,
// ends with it.
func (f *family) bare(only *pair) {
	f.mu.Lock()
	defer f.mu.Unlock()
	only.refresh.expires = only.held.expires
}
