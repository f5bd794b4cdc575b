package providertest

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// publicKeysNone is the JWKS of a provider that signs nothing.
var publicKeysNone = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}

// handler serves one path of one provider.
type handler func(p *provider, w http.ResponseWriter, r *http.Request)

// answerer decides about a request that presents no credential; see answering.
type answerer func(p *provider, r *http.Request) reply

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /{provider}/token", s.at(s.serveToken))
	mux.Handle("POST /{provider}/redirected", s.at(s.serveRedirected))
	mux.Handle("POST /{provider}/revoke", s.at(s.serveRevocation))
	mux.Handle("GET /{provider}/resource", s.at(s.serveResource))
	mux.Handle("GET /{provider}/jwks", s.at(s.serveJWKS))
	mux.Handle("GET /{provider}/authorize", s.at(s.answering(AuthorizeEndpoint, s.serveAuthorize)))
	mux.Handle("GET /{provider}/userinfo", s.at(s.answering(UserinfoEndpoint, s.serveUserinfo)))
	mux.Handle("GET /{provider}/accounts", s.at(s.answering(AccountsEndpoint, s.serveAccounts)))
	mux.Handle("GET /{provider}/customer", s.at(s.answering(CustomerEndpoint, s.serveCustomer)))
	mux.Handle("GET /{provider}"+discoveryPath, s.at(s.answering(DiscoveryEndpoint, s.serveDiscovery)))
	return mux
}

// at finds the provider and counts the request among those that Close waits for.
func (s *Server) at(serve handler) http.Handler {
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

// answering puts the scripted faults of one endpoint around its answers. Nothing
// goes to the ledger: it is for credentials that can be spent.
func (s *Server) answering(at Endpoint, decide answerer) handler {
	return func(p *provider, w http.ResponseWriter, r *http.Request) {
		seen := Presentation{At: s.cfg.Clock(), Provider: p.name, Kind: string(at)}
		if held, ok := p.bearerOf(r); ok {
			seen.Family, seen.Serial = held.of.of.id, held.of.serial
		}
		fault := p.script.take(at, seen.Family)
		seen.Fault = fault.String()
		if fault.strikes(Before) {
			s.hold(fault, seen)
			if fault.Kind != Delay {
				s.strike(w, r, fault, reply{})
				return
			}
		}
		answer := decide(p, r)
		if fault.strikes(After) {
			s.hold(fault, seen)
			s.strike(w, r, fault, answer)
			return
		}
		answer.send(w)
	}
}

// serveRedirected records that a client carried its credential to where a
// redirect pointed, and refuses it.
func (s *Server) serveRedirected(p *provider, w http.ResponseWriter, r *http.Request) {
	seen := p.readTokenRequest(w, r).presentation(s, p, r.Host, nil)
	seen.Fault = "followed redirect"
	s.must(s.record.arrival(seen))
	s.settle(seen, Refused)
	p.deadToken(p.behaviour.DeadDescription).send(w)
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
