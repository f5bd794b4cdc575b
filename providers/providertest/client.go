package providertest

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
)

// How a client authenticates.
const (
	authBasic         = "basic" // RFC 6749, 2.3.1
	authPost          = "post"
	authPrivateKeyJWT = "private_key_jwt" // RFC 7523, 2.2
	authNone          = "none"            // client_id alone
)

// authMethods are the names of RFC 8414 for them.
var authMethods = map[string]string{
	authBasic: "client_secret_basic", authPost: "client_secret_post",
	authPrivateKeyJWT: "private_key_jwt", authNone: "none",
}

func known(authStyle string) bool { return authMethods[authStyle] != "" }

func (b Behaviour) uses(style string) bool { return b.AuthStyle == style || b.CodeAuthStyle == style }

// SetSecrets replaces the client secrets that the provider accepts; all of them are
// good, as while a secret is being changed. With none, every client is unknown.
// HS256 tokens go on being signed under the first secret that the client had.
func (s *Server) SetSecrets(provider string, secrets ...string) {
	p := s.provider(provider)
	for _, text := range secrets {
		p.shared.Store(text, nil)
	}
	secrets = slices.Clone(secrets)
	p.secrets.Store(&secrets)
}

// styleFor is how the client must authenticate for this request.
func (p *provider) styleFor(form url.Values) string {
	if form.Get("grant_type") == KindCode {
		return p.behaviour.CodeAuthStyle
	}
	return p.behaviour.AuthStyle
}

// authenticated accepts the registered client in this style only (RFC 6749,
// 2.3.1): two styles at once are neither.
func (p *provider) authenticated(r *http.Request, form url.Values, style string) bool {
	id, password, basic := r.BasicAuth()
	if basic != (style == authBasic) || form.Has("client_secret") != (style == authPost) ||
		form.Has("client_assertion") != (style == authPrivateKeyJWT) {
		return false
	}
	switch style {
	case authPost:
		return p.registered(form.Get("client_id"), form.Get("client_secret"))
	case authNone:
		return form.Get("client_id") == p.behaviour.ClientID
	case authPrivateKeyJWT:
		return p.asserted(form)
	}
	id, errID := url.QueryUnescape(id)
	password, errPassword := url.QueryUnescape(password)
	return errID == nil && errPassword == nil && p.registered(id, password)
}

func (p *provider) registered(id, password string) bool {
	good := 0
	for _, text := range *p.secrets.Load() {
		good |= subtle.ConstantTimeCompare([]byte(password), []byte(text))
	}
	return good == 1 && subtle.ConstantTimeCompare([]byte(id), []byte(p.behaviour.ClientID)) == 1
}
