package testop

import (
	"context"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// GetRefreshTokenInfo answers with the token itself as its id, which is what
// RevokeToken looks for. Whose token it is RevokeToken checks.
func (s *store) GetRefreshTokenInfo(_ context.Context, _, value string) (sub, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.refresh[value]
	if !ok {
		return "", "", op.ErrInvalidRefreshToken
	}
	return t.grant.sub, value, nil
}

// RevokeToken says nothing of tokens it does not know (RFC 7009, section 2.2).
func (s *store) RevokeToken(_ context.Context, token, _, client string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.refresh[token]; ok && t.grant.client == client {
		t.grant.ended = true
		s.endOthers(t.grant)
	}
	if t, ok := s.access[token]; ok && t.grant.client == client {
		t.revoked = true
		s.endOthers(t.grant)
	}
	return nil
}

func (s *store) endOthers(g *grant) {
	if s.cfg.RevokeUser {
		s.endAll(g.sub, g.client)
	}
}

// endAll ends all grants of a user to a client. The caller holds the lock.
// Every grant has an access token in the store: none is ever removed.
func (s *store) endAll(sub, client string) {
	for _, t := range s.access {
		if t.grant.sub == sub && t.grant.client == client {
			t.grant.ended = true
		}
	}
}

func (s *store) TerminateSession(_ context.Context, sub, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endAll(sub, client)
	return nil
}
