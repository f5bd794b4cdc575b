package providertest

import (
	"fmt"
	"time"
)

// Grant is a family as its client first sees it.
type Grant struct {
	Family, Provider, Sub, Scope       string
	AccessToken, RefreshToken, IDToken string
	// Bearer is the one of the tokens that the resource accepts, and ExpiresAt its end.
	Bearer    string
	ExpiresAt time.Time
	// RefreshExpiresAt is zero for a refresh token without an end.
	RefreshExpiresAt time.Time
}

// String names the family and no token.
func (g Grant) String() string { return fmt.Sprintf("grant %s at %s", g.Family, g.Provider) }

// Issue makes a fresh family with its first refresh token and bearer.
func (s *Server) Issue(provider, sub string, options ...GrantOption) Grant {
	now := s.cfg.Clock()
	f := s.newFamily(provider, sub, options)
	f.takeOver()
	f.mu.Lock()
	defer f.mu.Unlock()
	first, err := f.mint(now, f.grow(now))
	if err != nil {
		panic("providertest: " + err.Error()) // our own key signs: this cannot fail
	}
	return Grant{
		Family: f.id, Provider: provider, Sub: sub, Scope: f.terms.Scope,
		AccessToken: first.access, RefreshToken: first.refresh.text, IDToken: first.id,
		Bearer: first.held.text, ExpiresAt: first.held.expires, RefreshExpiresAt: first.refresh.expires,
	}
}

// IssueCode makes an authorization code without an authorize request, and returns
// the family that its redemption will begin. The code is bound to no redirect_uri
// and no verifier, and is good with any.
func (s *Server) IssueCode(provider, sub string, options ...GrantOption) (code, family string) {
	f := s.newFamily(provider, sub, options)
	return f.code(s.cfg.Clock(), nil), f.id
}

func (f *family) code(now time.Time, bound *binding) string {
	b := f.at.behaviour
	c := &credential{of: f, text: opaque(b.CodeLen), expires: now.Add(b.CodeTTL), bound: bound}
	f.at.credentials.Store(c.text, c)
	return c.text
}

func (s *Server) newFamily(provider, sub string, options []GrantOption) *family {
	p := s.provider(provider)
	owner, _ := p.accounts.LoadOrStore(sub, &account{sub: sub})
	f := &family{id: provider + "-" + opaque(16), at: p, owner: owner.(*account)}
	for _, option := range options {
		option(&f.terms)
	}
	f.owner.keep(&f.terms.holdings)
	s.families.Store(f.id, f)
	return f
}

// takeOver enters f as a live grant of its subject and ends what may not stand
// beside it. The family's own lock is not held.
func (f *family) takeOver() {
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	if f.at.behaviour.SingleGrant {
		for _, earlier := range f.owner.families {
			earlier.finish()
		}
		f.owner.families = nil
	}
	if f.at.behaviour.EarlierBearersDie {
		for _, earlier := range f.owner.families {
			earlier.kill()
		}
	}
	f.owner.families = append(f.owner.families, f)
}

// Kill expires the family's current bearers: the resource answers 401 and a
// refresh helps. It is false if there is no such family.
func (s *Server) Kill(family string) bool {
	f, ok := s.family(family)
	if ok {
		f.kill()
	}
	return ok
}

func (f *family) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.bearers {
		b.killed = true
	}
}

// KillGrant ends the family as if the user had withdrawn consent at the
// provider's site: bearers and refresh tokens are dead. It is false if there is
// no such family.
func (s *Server) KillGrant(family string) bool {
	f, ok := s.family(family)
	if ok {
		f.finish()
	}
	return ok
}

// revoke is RFC 7009 for any token of the family.
func (f *family) revoke() {
	f.finish()
	if !f.at.behaviour.RevokeSiblings {
		return
	}
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	for _, sibling := range f.owner.families {
		sibling.finish()
	}
}
