package testop

import (
	"context"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// SetUserinfoFromRequest fills an ID token.
func (s *store) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	s.describe(info, r.GetSubject())
	return nil
}

// SetUserinfoFromToken fills the reply of the userinfo endpoint.
func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, _, _ string) error {
	grant, err := s.bearer(id)
	if err != nil {
		return err
	}
	s.describe(info, grant.sub)
	return nil
}

func (s *store) describe(info *oidc.UserInfo, sub string) {
	info.Subject = sub
	u, _ := s.user(sub)
	for name, value := range u.Claims {
		info.AppendClaims(name, value)
	}
}

// SetUserinfoFromScopes is left empty, as the library asks.
func (s *store) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// What follows belongs to grants that this provider does not offer.

func (s *store) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

func (s *store) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}
