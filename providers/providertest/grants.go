package providertest

import (
	"fmt"
	"slices"
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
	f.takeOver(now)
	first, err := f.begin(now)
	if err != nil {
		panic("providertest: " + err.Error()) // our own key signs: this cannot fail
	}
	ends, _ := f.endsOf(first.refresh)
	return Grant{
		Family: f.id, Provider: provider, Sub: sub, Scope: f.terms.Scope,
		AccessToken: first.access, RefreshToken: first.refresh.text, IDToken: first.id,
		Bearer: first.held.text, ExpiresAt: first.held.expires, RefreshExpiresAt: ends,
	}
}

// begin issues the family's first tokens.
func (f *family) begin(now time.Time) (*pair, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mint(now, f.grow(now))
}

// ForeignLogin is another client of the same application that logs in with the
// login's password: where one bearer or one grant per subject is live, ours dies.
// It is not in the ledger, which is for what our client presents.
func (s *Server) ForeignLogin(provider, login string, options ...GrantOption) Grant {
	return s.Issue(provider, login, options...)
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

// granted says whether a grant of the subject is alive.
func (a *account) granted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.families, func(f *family) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.end == alive
	})
}

// takeOver enters f as a live grant of its subject and ends what may not stand
// beside it. The family's own lock is not held.
func (f *family) takeOver(now time.Time) {
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	if f.at.behaviour.SingleGrant {
		for _, earlier := range f.owner.families {
			earlier.finish()
		}
	}
	if f.at.behaviour.EarlierBearersDie {
		for _, earlier := range f.owner.families {
			earlier.kill()
		}
	}
	f.owner.families = slices.DeleteFunc(f.owner.families, func(earlier *family) bool { return earlier.outlived(now) })
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
	f.endBearers()
}

// endBearers leaves the refresh tokens good; the lock is held.
func (f *family) endBearers() {
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

// RevokeAtSite ends all grants of the login, as its user can at the provider's own
// site without notice to anybody, and returns how many were alive.
func (s *Server) RevokeAtSite(provider, login string) int {
	known, ok := s.provider(provider).accounts.Load(login)
	if !ok {
		return 0
	}
	owner, ended := known.(*account), 0
	owner.mu.Lock()
	defer owner.mu.Unlock()
	for _, f := range owner.families {
		if f.finish() {
			ended++
		}
	}
	return ended
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
