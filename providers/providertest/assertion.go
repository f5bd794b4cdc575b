package providertest

import (
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionType is that of a JWT (RFC 7523, 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionAlgs are asymmetric all: a shared secret proves nothing here.
var assertionAlgs = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// asserted is RFC 7523, 3, with the jti that OpenID Connect Core, 9 requires.
func (p *provider) asserted(form url.Values) bool {
	id, now := p.behaviour.ClientID, p.clock()
	if form.Get("client_assertion_type") != assertionType || (form.Has("client_id") && form.Get("client_id") != id) {
		return false
	}
	signed, err := jwt.ParseSigned(form.Get("client_assertion"), assertionAlgs)
	if err != nil {
		return false
	}
	var claims jwt.Claims
	if err := signed.Claims(p.behaviour.ClientKey, &claims); err != nil || claims.Expiry == nil || claims.ID == "" {
		return false
	}
	audience := jwt.Audience{p.endpoints.TokenURL, p.endpoints.Issuer}
	err = claims.ValidateWithLeeway(jwt.Expected{Issuer: id, Subject: id, AnyAudience: audience, Time: now}, 0)
	return err == nil && p.assertions.first(now, claims.ID, claims.Expiry.Time())
}

// onceOnly remembers ids as long as they would be good.
type onceOnly struct {
	mu      sync.Mutex
	seen    map[string]time.Time // until
	cleanAt int                  // size at which the outlived ones are forgotten
}

// first says whether the id is new.
func (o *onceOnly) first(now time.Time, id string, until time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, again := o.seen[id]; again {
		return false
	}
	if len(o.seen) >= o.cleanAt {
		o.clean(now)
	}
	o.seen[id] = until
	return true
}

func (o *onceOnly) clean(now time.Time) {
	kept := map[string]time.Time{}
	for id, until := range o.seen {
		if now.Before(until) {
			kept[id] = until
		}
	}
	o.seen, o.cleanAt = kept, 2*len(kept)+64
}
