package providertest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// wrongIssuer is what WrongIssuer says instead of the provider's own.
const wrongIssuer = "https://issuer.example"

// authorization is an authorize request whose client and redirect_uri are good,
// so that errors may be sent there.
type authorization struct {
	at    *provider
	query url.Values
	to    *url.URL
}

// serveAuthorize is RFC 6749, 4.1.1 with PKCE (RFC 7636) for a browser whose user
// has decided already; see Browser.
func (s *Server) serveAuthorize(p *provider, r *http.Request) reply {
	query := r.URL.Query()
	to, problem := p.redirection(query)
	if problem != "" {
		return page(http.StatusBadRequest, problem) // never redirected: RFC 6749, 4.1.2.1
	}
	a := authorization{at: p, query: query, to: to}
	if code, description := a.problem(); code != "" {
		return a.refuse(code, description)
	}
	now := s.cfg.Clock()
	v, err := p.visitor(now, r)
	switch {
	case err != nil:
		return page(http.StatusBadRequest, err.Error())
	case v.Sub == "" && query.Get("prompt") == "none":
		return a.refuse("login_required", "Nobody is logged in.")
	case v.Sub == "":
		return page(http.StatusOK, "Please log in.")
	case v.Deny != "":
		return a.refuse(v.Deny, "The user said no.")
	}
	return a.grant(s, now, v)
}

// redirection is where the answer may go, or why nowhere.
func (p *provider) redirection(query url.Values) (to *url.URL, problem string) {
	if repeated(query, "client_id") || query.Get("client_id") != p.behaviour.ClientID {
		return nil, "client_id is not registered."
	}
	given := query.Get("redirect_uri")
	to, err := url.Parse(given)
	if repeated(query, "redirect_uri") || err != nil || to.Host == "" || strings.Contains(given, "#") ||
		(to.Scheme != "http" && to.Scheme != "https") {
		return nil, "redirect_uri is not an absolute http or https URI."
	}
	if known := p.behaviour.RedirectURIs; len(known) > 0 && !slices.Contains(known, given) {
		return nil, "redirect_uri is not registered."
	}
	return to, ""
}

func repeated(query url.Values, name string) bool { return len(query[name]) > 1 }

// problem is what is wrong with the rest of the request.
func (a authorization) problem() (code, description string) {
	for name := range a.query {
		if repeated(a.query, name) {
			return "invalid_request", "A parameter is repeated."
		}
	}
	switch {
	case !a.query.Has("response_type"):
		return "invalid_request", "response_type is missing."
	case a.query.Get("response_type") != "code":
		return "unsupported_response_type", ""
	case a.query.Get("code_challenge_method") != "S256": // without it, it is plain
		return "invalid_request", "code_challenge_method must be S256."
	case !challengeSyntax.MatchString(a.query.Get("code_challenge")):
		return "invalid_request", "code_challenge is not a SHA-256 in base64url."
	}
	return "", ""
}

// grant begins a family, as yet without tokens, and sends its code.
func (a authorization) grant(s *Server, now time.Time, v visit) reply {
	set(&v.Scope, a.query.Get("scope"))
	set(&v.Nonce, a.query.Get("nonce"))
	if v.NoNonce {
		v.Nonce = ""
	}
	f := s.newFamily(a.at.name, v.Sub, []GrantOption{func(t *terms) { *t = v.terms }})
	f.withheld = a.at.behaviour.RefreshOnce && a.query.Get("prompt") != "consent" && f.owner.granted()
	answer := a.send(url.Values{"code": {f.code(now, &binding{
		redirectURI: a.query.Get("redirect_uri"), challenge: a.query.Get("code_challenge"),
	})}})
	if !v.silent { // a session ends when it said it would, however much it is used
		answer.cookie = a.at.logIn(now, v.Sub)
	}
	return answer
}

func (a authorization) refuse(code, description string) reply {
	values := url.Values{"error": {code}}
	if description != "" {
		values.Set("error_description", description)
	}
	return a.send(values)
}

// send redirects the browser with these values, state and iss (RFC 9207).
func (a authorization) send(values url.Values) reply {
	if a.query.Has("state") {
		values.Set("state", a.query.Get("state"))
	}
	if !a.at.behaviour.OmitIss {
		values.Set("iss", a.at.endpoints.Issuer)
	}
	answer := a.redirect(values)
	answer.forged = func(f *Fault) (reply, error) {
		forged := answer
		if f.Kind == WrongIssuer {
			values.Set("iss", wrongIssuer)
			forged.header = a.redirect(values).header
		}
		return forged, nil
	}
	return answer
}

// redirect keeps the query that the redirect_uri has of its own (RFC 6749, 3.1.2).
func (a authorization) redirect(values url.Values) reply {
	to := *a.to
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += values.Encode()
	return reply{status: http.StatusFound, header: map[string]string{"Location": to.String()}}
}
