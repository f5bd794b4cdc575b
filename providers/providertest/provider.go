package providertest

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// provider is one authorization server with one client registered.
type provider struct {
	name      string
	behaviour Behaviour
	endpoints Endpoints
	sign      signFunc
	jwks      any
	script    script
	revoked   atomic.Int64 // families, for reuse

	accounts    sync.Map // sub → *account
	credentials sync.Map // text → *credential
	bearers     sync.Map // text → *bearer
	tokens      sync.Map // text of access and ID tokens, bearers or not
}

// Endpoints is what a client needs to know of a provider.
type Endpoints struct {
	Issuer, TokenURL, JWKSURL, ResourceURL, RevocationURL string
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
		ClientID: b.ClientID, ClientSecret: b.ClientSecret,
		AuthStyle: b.AuthStyle, CodeAuthStyle: b.CodeAuthStyle, Alg: b.Alg,
	}}
	if b.signs() {
		key, err := signingKey(b)
		if err != nil {
			return nil, err
		}
		p.sign, p.jwks = signer(key), publicKeys(key)
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
