package testop

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// grant is one completed consent and the family of tokens that descends from it.
type grant struct {
	agreement
	ended bool
}

type code struct {
	request string // its authRequest
	grant   *grant // set when it is redeemed
}

type refreshToken struct {
	grant *grant
	used  bool
}

type accessToken struct {
	grant   *grant
	revoked bool
}

func (s *store) SaveAuthCode(_ context.Context, id, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[value] = &code{request: id}
	return nil
}

// AuthRequestByCode only looks: redeeming is done when the tokens are made,
// after the client and its verifier were checked. A code seen again ends its
// grant all the same, whoever presents it.
func (s *store) AuthRequestByCode(_ context.Context, value string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.unspent(value); err != nil {
		return nil, err
	}
	r, ok := s.requests[s.codes[value].request]
	if !ok {
		return nil, errUnknown
	}
	r.code = value
	return r, nil
}

// unspent finds a code that was not redeemed. The caller holds the lock.
func (s *store) unspent(value string) (*code, error) {
	c, ok := s.codes[value]
	if !ok {
		return nil, errUnknown
	}
	if c.grant != nil {
		c.grant.ended = true
		return nil, errSpent
	}
	return c, nil
}

// unused finds a refresh token that may be used. The caller holds the lock.
func (s *store) unused(value string) (*refreshToken, error) {
	r, ok := s.refresh[value]
	if !ok {
		return nil, errUnknown
	}
	if r.used {
		r.grant.ended = true
	}
	if r.grant.ended {
		return nil, errSpent
	}
	return r, nil
}

func (s *store) TokenRequestByRefreshToken(_ context.Context, value string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.unused(value)
	if err != nil {
		return nil, err
	}
	return &refreshRequest{r.grant.agreement}, nil
}

func (s *store) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.spend(r, "")
	if err != nil {
		return "", time.Time{}, err
	}
	id, expires := s.newAccess(g)
	return id, expires, nil
}

func (s *store) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.spend(r, current)
	if err != nil {
		return "", "", time.Time{}, err
	}
	next := rand.Text()
	s.refresh[next] = &refreshToken{grant: g}
	id, expires := s.newAccess(g)
	return id, next, expires, nil
}

// spend uses up the credential that r was made from, and returns the grant that
// the new tokens join. Of two requests that both found it alive one gets an
// error here. The caller holds the lock.
func (s *store) spend(r op.TokenRequest, current string) (*grant, error) {
	if r, ok := r.(authRequest); ok {
		return s.redeem(r)
	}
	t, err := s.unused(current)
	if err != nil {
		return nil, oidc.ErrInvalidGrant().WithParent(err)
	}
	t.used = true
	return t.grant, nil
}

func (s *store) redeem(r authRequest) (*grant, error) {
	c, err := s.unspent(r.code)
	if err != nil {
		return nil, oidc.ErrInvalidGrant().WithParent(err)
	}
	c.grant = &grant{agreement: r.gave}
	return c.grant, nil
}

func (s *store) newAccess(g *grant) (id string, expires time.Time) {
	id, expires = rand.Text(), s.now().Add(s.cfg.AccessTTL)
	s.access[id] = &accessToken{grant: g}
	return id, expires
}

// bearer is what an access token stands for, unless it was revoked. Whether it
// has expired the library read from the JWT.
func (s *store) bearer(id string) (agreement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.access[id]
	if !ok || t.revoked || t.grant.ended {
		return agreement{}, errUnknown
	}
	return t.grant.agreement, nil
}
