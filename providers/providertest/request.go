package providertest

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/regrant/regrant/secret"
)

// maxBody is more than any token request has.
const maxBody = 64 << 10

// tokenRequest is a request to a token endpoint, read in full.
type tokenRequest struct {
	kind    string
	given   string      // the credential as presented
	known   *credential // nil for one that this provider never issued
	proof   proof       // that a code is bound to
	login   string      // of a grant that begins a family; empty: nobody's
	scope   string      // asked for with it
	client  bool        // client authentication is good
	problem string      // why it is malformed, or empty
}

// readTokenRequest never fails: what cannot be read is malformed, and still a
// presentation.
func (p *provider) readTokenRequest(w http.ResponseWriter, r *http.Request) tokenRequest {
	form, err := readForm(w, r)
	if err != nil {
		return tokenRequest{kind: KindOther, problem: err.Error()}
	}
	req := tokenRequest{kind: KindOther, client: p.authenticated(r, form, p.styleFor(form))}
	switch form.Get("grant_type") {
	case "":
		req.problem = "grant_type is missing"
	case KindRefresh:
		req.kind, req.given = KindRefresh, form.Get("refresh_token")
	case KindCode:
		req.kind, req.given = KindCode, form.Get("code")
		req.proof = p.proofIn(form)
	default:
		p.readLogin(&req, form)
	}
	switch req.kind {
	case KindRefresh:
		req.lacks(form, "refresh_token")
	case KindCode:
		req.lacks(form, "code")
	}
	if c, ok := p.credential(req.given); ok && (c.serial == 0) == (req.kind == KindCode) {
		req.known = c
	}
	return req
}

// lacks makes the request malformed unless all these parameters have a value.
func (r *tokenRequest) lacks(form url.Values, names ...string) {
	for _, name := range names {
		if form.Get(name) == "" {
			r.problem = "a parameter is missing: " + name
		}
	}
}

// readForm reads the body's form, never the query's, and refuses repeated
// parameters (RFC 6749, 3.2).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("the body is not a form") // err may quote it
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, fmt.Errorf("a parameter is repeated: %q", name)
		}
	}
	return r.PostForm, nil
}

// family is empty for an unknown credential.
func (r tokenRequest) family() string {
	if r.known == nil {
		return ""
	}
	return r.known.of.id
}

// presentation is the request as the ledger names it.
func (r tokenRequest) presentation(s *Server, p *provider, host string, fault *Fault) *Presentation {
	seen := &Presentation{
		At: s.cfg.Clock(), Provider: p.name, Family: r.family(), Kind: r.kind,
		Sub: r.login, Token: secret.New(r.given).Fingerprint(), Fault: fault.String(), Host: host,
	}
	if r.known != nil {
		seen.Serial = r.known.serial
	}
	return seen
}
