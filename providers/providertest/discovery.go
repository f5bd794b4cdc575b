package providertest

import "net/http"

const discoveryPath = "/.well-known/openid-configuration"

// serveDiscovery is OpenID Connect Discovery, 4.
func (s *Server) serveDiscovery(p *provider, _ *http.Request) reply {
	at := p.endpoints
	body := map[string]any{
		"issuer": at.Issuer, "authorization_endpoint": at.AuthorizeURL, "token_endpoint": at.TokenURL,
		"userinfo_endpoint": at.UserinfoURL, "jwks_uri": at.JWKSURL, "revocation_endpoint": at.RevocationURL,
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          p.behaviour.grantTypes(),
		"subject_types_supported":                        []string{"public"},
		"code_challenge_methods_supported":               []string{"S256"},
		"id_token_signing_alg_values_supported":          []string{at.Alg},
		"token_endpoint_auth_methods_supported":          []string{authMethods[at.AuthStyle]},
		"authorization_response_iss_parameter_supported": !p.behaviour.OmitIss,
	}
	return reply{status: http.StatusOK, body: body, forged: func(f *Fault) (reply, error) {
		if f.Kind == WrongIssuer {
			body["issuer"] = wrongIssuer
		}
		return reply{status: http.StatusOK, body: body}, nil
	}}
}

func (b Behaviour) grantTypes() []string {
	types := []string{KindCode, KindRefresh}
	if b.ClientCredentials {
		types = append(types, KindClient)
	}
	if b.Password {
		types = append(types, KindPassword)
	}
	if b.APIKeys {
		types = append(types, b.APIKeyGrant)
	}
	return types
}
