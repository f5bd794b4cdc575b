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

// codeTTL is the longest life that RFC 6749, 4.1.2 recommends.
const codeTTL = 10 * time.Minute

// GrantOption adjusts a new family.
type GrantOption func(*family)

// WithScope sets the family's scope; without it, answers carry none.
func WithScope(scope string) GrantOption { return func(f *family) { f.scope = scope } }

// WithNonce puts a nonce into the family's ID tokens.
func WithNonce(nonce string) GrantOption { return func(f *family) { f.nonce = nonce } }

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
		Family: f.id, Provider: provider, Sub: sub, Scope: f.scope,
		AccessToken: first.access, RefreshToken: first.refresh.text, IDToken: first.id,
		Bearer: first.held.text, ExpiresAt: first.held.expires, RefreshExpiresAt: first.refresh.expires,
	}
}

// IssueCode makes an authorization code and returns the family that its
// redemption will begin.
func (s *Server) IssueCode(provider, sub string, options ...GrantOption) (code, family string) {
	f := s.newFamily(provider, sub, options)
	c := &credential{of: f, text: opaque(f.at.behaviour.CodeLen), expires: s.cfg.Clock().Add(codeTTL)}
	f.at.credentials.Store(c.text, c)
	return c.text, f.id
}

func (s *Server) newFamily(provider, sub string, options []GrantOption) *family {
	p := s.provider(provider)
	owner, _ := p.accounts.LoadOrStore(sub, &account{sub: sub})
	f := &family{id: provider + "-" + opaque(16), at: p, owner: owner.(*account)}
	for _, option := range options {
		option(f)
	}
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
	f.owner.families = append(f.owner.families, f)
}

// Kill expires the family's current bearers: the resource answers 401 and a
// refresh helps. It is false if there is no such family.
func (s *Server) Kill(family string) bool {
	f, ok := s.family(family)
	if !ok {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.bearers {
		b.killed = true
	}
	return true
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
