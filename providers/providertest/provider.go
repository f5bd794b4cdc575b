package providertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

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
	clock     func() time.Time
	forgets   bool // see Config.Volatile
	limiter   limiter
	revoked   atomic.Int64 // families, for reuse

	accounts    sync.Map // sub → *account
	credentials sync.Map // text → *credential
	bearers     sync.Map // text → *bearer
	tokens      sync.Map // text of access and ID tokens, bearers or not; unless it forgets
	shared      sync.Map // client secrets, passwords and API keys that were ever good
	seen        sync.Map // PKCE verifiers, passwords and API keys that were shown
	sessions    sync.Map // cookie → session
	login       atomic.Pointer[visit]
	logins      logins
	secrets     atomic.Pointer[[]string] // of the client
	assertions  onceOnly
}

// Endpoints is what a client needs to know of a provider.
type Endpoints struct {
	Issuer, TokenURL, JWKSURL, ResourceURL, RevocationURL string
	AuthorizeURL, UserinfoURL, AccountsURL, CustomerURL   string
	// DiscoveryURL is the metadata of OpenID Connect Discovery, 4.
	DiscoveryURL string

	ClientID, ClientSecret, AuthStyle, CodeAuthStyle, Alg string
}

func newProvider(base, name string, b Behaviour, cfg Config) (*provider, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	root := base + "/" + name
	p := &provider{
		name: name, behaviour: b, jwks: publicKeysNone, endpoints: b.endpoints(root), clock: cfg.Clock, forgets: cfg.Volatile,
		limiter: limiter{rate: b.Rate}, logins: logins{passwords: map[string]string{}, keys: map[string]string{}},
		assertions: onceOnly{seen: map[string]time.Time{}},
	}
	if b.signs() {
		key, err := signingKey(b)
		if err != nil {
			return nil, err
		}
		p.key, p.sign, p.jwks = key, signer(key), publicKeys(key)
	}
	return p, nil
}

func (b Behaviour) endpoints(root string) Endpoints {
	return Endpoints{
		Issuer: root, TokenURL: root + "/token", JWKSURL: root + "/jwks",
		ResourceURL: root + "/resource", RevocationURL: root + "/revoke",
		AuthorizeURL: root + "/authorize", UserinfoURL: root + "/userinfo",
		AccountsURL: root + "/accounts", CustomerURL: root + "/customer",
		DiscoveryURL: root + discoveryPath,
		ClientID:     b.ClientID, ClientSecret: b.ClientSecret,
		AuthStyle: b.AuthStyle, CodeAuthStyle: b.CodeAuthStyle, Alg: b.Alg,
	}
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

// shown notes a secret that a client showed, good or not, for Seen.
func (p *provider) shown(text string) string {
	if text != "" {
		p.seen.Store(text, nil)
	}
	return text
}
