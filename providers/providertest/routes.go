package providertest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// publicKeysNone is the JWKS of a provider that signs nothing.
var publicKeysNone = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}

// endpoint serves one path of one provider.
type endpoint func(p *provider, w http.ResponseWriter, r *http.Request)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /{provider}/token", s.at(s.serveToken))
	mux.Handle("POST /{provider}/redirected", s.at(s.serveRedirected))
	mux.Handle("POST /{provider}/revoke", s.at(s.serveRevocation))
	mux.Handle("GET /{provider}/resource", s.at(s.serveResource))
	mux.Handle("GET /{provider}/jwks", s.at(s.serveJWKS))
	return mux
}

// at finds the provider and counts the request among those that Close waits for.
func (s *Server) at(serve endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := s.providers[r.PathValue("provider")]
		if !ok || !s.enter() {
			http.NotFound(w, r)
			return
		}
		defer s.requests.Done()
		serve(p, w, r)
	})
}

// serveRedirected records that a client carried its credential to where a
// redirect pointed, and refuses it.
func (s *Server) serveRedirected(p *provider, w http.ResponseWriter, r *http.Request) {
	seen := p.readTokenRequest(w, r).presentation(s, p, nil)
	seen.Fault = "followed redirect"
	s.must(s.journal.arrival(seen))
	s.settle(seen, Refused)
	p.deadToken().send(w)
}

// serveResource is an API that asks for a bearer (RFC 6750).
func (s *Server) serveResource(p *provider, w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	held, known := p.bearer(token)
	if !strings.EqualFold(scheme, "Bearer") || !known || !held.use(s.cfg.Clock()) {
		a := oauthError(http.StatusUnauthorized, "invalid_token", "The access token expired or was revoked.")
		a.header = map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}
		a.send(w)
		return
	}
	reply{status: http.StatusOK, body: map[string]any{"sub": held.of.of.owner.sub}}.send(w)
}

// serveRevocation is RFC 7009: 200 also for what is not known.
func (s *Server) serveRevocation(p *provider, w http.ResponseWriter, r *http.Request) {
	form, err := readForm(w, r)
	if err != nil {
		oauthError(http.StatusBadRequest, "invalid_request", err.Error()).send(w)
		return
	}
	if !p.authenticated(r, form, p.styleFor(form)) {
		p.unknownClient().send(w)
		return
	}
	if c, ok := p.credential(form.Get("token")); ok {
		c.of.revoke()
	} else if b, ok := p.bearer(form.Get("token")); ok {
		b.of.of.revoke()
	}
	reply{status: http.StatusOK, body: map[string]any{}}.send(w)
}

func (s *Server) serveJWKS(p *provider, w http.ResponseWriter, _ *http.Request) {
	if s.jwksDown.Load() {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(p.jwks)
}
