package providertest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// provider is one authorization server with one client registered.
type provider struct {
	name      string
	behaviour Behaviour
	endpoints Endpoints
	key       jose.JSONWebKey // zero: signs nothing
	sign      signFunc
	jwks      any
	script    script
	revoked   atomic.Int64 // families, for reuse

	accounts    sync.Map // sub → *account
	credentials sync.Map // text → *credential
	bearers     sync.Map // text → *bearer
	tokens      sync.Map // text of access and ID tokens, bearers or not
	verifiers   sync.Map // PKCE verifiers that were shown
	sessions    sync.Map // cookie → session
	login       atomic.Pointer[visit]
}

// Endpoints is what a client needs to know of a provider.
type Endpoints struct {
	Issuer, TokenURL, JWKSURL, ResourceURL, RevocationURL string
	AuthorizeURL, UserinfoURL, AccountsURL, CustomerURL   string
	// DiscoveryURL is the metadata of OpenID Connect Discovery, 4.
	DiscoveryURL string

	ClientID, ClientSecret, AuthStyle, CodeAuthStyle, Alg string
}

func newProvider(base, name string, b Behaviour) (*provider, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	root := base + "/" + name
	p := &provider{name: name, behaviour: b, jwks: publicKeysNone, endpoints: Endpoints{
		Issuer: root, TokenURL: root + "/token", JWKSURL: root + "/jwks",
		ResourceURL: root + "/resource", RevocationURL: root + "/revoke",
		AuthorizeURL: root + "/authorize", UserinfoURL: root + "/userinfo",
		AccountsURL: root + "/accounts", CustomerURL: root + "/customer",
		DiscoveryURL: root + discoveryPath,
		ClientID:     b.ClientID, ClientSecret: b.ClientSecret,
		AuthStyle: b.AuthStyle, CodeAuthStyle: b.CodeAuthStyle, Alg: b.Alg,
	}}
	if b.signs() {
		key, err := signingKey(b)
		if err != nil {
			return nil, err
		}
		p.key, p.sign, p.jwks = key, signer(key), publicKeys(key)
	}
	return p, nil
}

func (s *Server) provider(name string) *provider {
	p, ok := s.providers[name]
	if !ok {
		panic(fmt.Sprintf("providertest: Config.Providers has no %q", name))
	}
	return p
}

func (p *provider) credential(text string) (*credential, bool) {
	c, ok := p.credentials.Load(text)
	if !ok {
		return nil, false
	}
	return c.(*credential), true
}

func (p *provider) bearer(text string) (*bearer, bool) {
	b, ok := p.bearers.Load(text)
	if !ok {
		return nil, false
	}
	return b.(*bearer), true
}
