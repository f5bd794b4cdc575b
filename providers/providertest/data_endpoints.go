package providertest

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// manyAccounts is how many ManyAccounts lists.
const manyAccounts = 10_000

// serveResource is an API that asks for a bearer (RFC 6750).
func (s *Server) serveResource(p *provider, w http.ResponseWriter, r *http.Request) {
	f, ok := s.admit(p, r)
	if !ok {
		p.badBearer().send(w)
		return
	}
	reply{status: http.StatusOK, body: map[string]any{"sub": f.owner.sub}}.send(w)
}

// admit uses the request's bearer.
func (s *Server) admit(p *provider, r *http.Request) (*family, bool) {
	held, ok := p.bearerOf(r)
	if !ok || !held.use(s.cfg.Clock()) {
		return nil, false
	}
	return held.of.of, true
}

// bearerOf looks at the request's bearer without using it.
func (p *provider) bearerOf(r *http.Request) (*bearer, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	held, known := p.bearer(token)
	return held, known && strings.EqualFold(scheme, "Bearer")
}

func (p *provider) badBearer() reply {
	a := oauthError(http.StatusUnauthorized, "invalid_token", "The access token expired or was revoked.")
	a.header = map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}
	if code := p.behaviour.ResourceCode; code != 0 {
		a.body["code"] = code
	}
	return a
}

// serveUserinfo is OpenID Connect Core, 5.3.
func (s *Server) serveUserinfo(p *provider, r *http.Request) reply {
	f, ok := s.admit(p, r)
	if !ok {
		return p.badBearer()
	}
	body := maps.Clone(f.terms.Claims)
	if body == nil {
		body = map[string]any{}
	}
	body["sub"] = f.owner.sub
	return reply{status: http.StatusOK, body: body, forged: func(fault *Fault) (reply, error) {
		if fault.Kind == OtherSubject {
			body["sub"] = fault.otherSub()
		}
		return reply{status: http.StatusOK, body: body}, nil
	}}
}

// serveCustomer says who the login belongs to, beyond one sub.
func (s *Server) serveCustomer(p *provider, r *http.Request) reply {
	f, ok := s.admit(p, r)
	switch {
	case !ok:
		return p.badBearer()
	case f.terms.Customer == "":
		return reply{status: http.StatusNotFound, body: map[string]any{"message": "no customer"}}
	}
	return reply{status: http.StatusOK, body: map[string]any{"customerId": f.terms.Customer}}
}

// serveAccounts lists what the grant may see, from offset on.
func (s *Server) serveAccounts(p *provider, r *http.Request) reply {
	offset, err := strconv.Atoi("0" + r.URL.Query().Get("offset"))
	if err != nil {
		return reply{status: http.StatusBadRequest, body: map[string]any{"message": "offset is no number"}}
	}
	f, ok := s.admit(p, r)
	if !ok {
		return p.badBearer()
	}
	ids, next := f.terms.page(offset, p.behaviour.AccountsPage)
	answer := accountsReply(ids, "")
	if next > 0 {
		answer = accountsReply(ids, p.endpoints.AccountsURL+"?offset="+strconv.Itoa(next))
	}
	answer.forged = func(fault *Fault) (reply, error) { return p.forgedAccounts(fault, ids, r.URL), nil }
	return answer
}

func (p *provider) forgedAccounts(fault *Fault, ids []string, asked *url.URL) reply {
	switch fault.Kind {
	case ManyAccounts:
		ids = make([]string, manyAccounts)
		for i := range ids {
			ids[i] = "account-" + strconv.Itoa(i)
		}
		return accountsReply(ids, "")
	case NextPage:
		next := fault.Location
		set(&next, p.endpoints.AccountsURL+"?"+asked.RawQuery)
		return accountsReply(ids, next)
	}
	return accountsReply(ids, "")
}

// accountsReply leaves links out where there is no next page.
func accountsReply(ids []string, next string) reply {
	accounts := make([]map[string]string, len(ids))
	for i, id := range ids {
		accounts[i] = map[string]string{"accountId": id}
	}
	body := map[string]any{"accounts": accounts}
	if next != "" {
		body["links"] = map[string]string{"next": next}
	}
	return reply{status: http.StatusOK, body: body}
}
