package testop

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// RedirectURI is that of clients that name none. Nothing listens there.
const RedirectURI = "https://callback.example.com/done"

// Client is a registered, confidential client.
type Client struct {
	ID, Secret string
	// Post sends the secret in the form; the default is HTTP Basic.
	Post bool
	// RedirectURIs are compared character by character. None is RedirectURI.
	RedirectURIs []string
}

func (c Client) redirectURIs() []string {
	if len(c.RedirectURIs) == 0 {
		return []string{RedirectURI}
	}
	return c.RedirectURIs
}

// authenticates says whether a request of c does so in the way c is registered
// for. The library itself takes the secret from wherever it stands.
func (c Client) authenticates(r *http.Request) bool {
	_, _, basic := r.BasicAuth()
	return c.Post != basic && c.Post == r.PostForm.Has("client_secret")
}

// onlyAsRegistered refuses, as invalid_client, a client that authenticates in
// another way than it was registered with. Unknown clients are the library's.
func (o *OP) onlyAsRegistered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, known := o.store.client(requestedClient(r))
		if known && !c.authenticates(r) {
			op.RequestError(w, r, oidc.ErrInvalidClient().WithDescription("not the registered authentication method"), o.provider.Logger())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requestedClient is the client id of a token request, or "". RFC 6749, section
// 2.3.1: both parts of HTTP Basic are form-encoded.
func requestedClient(r *http.Request) string {
	id, _, ok := r.BasicAuth()
	if !ok {
		return r.PostFormValue("client_id")
	}
	id, err := url.QueryUnescape(id)
	if err != nil {
		return ""
	}
	return id
}

// registration is a Client in the library's terms.
type registration struct {
	Client
	idTokenTTL time.Duration
}

func (c registration) GetID() string                       { return c.ID }
func (c registration) RedirectURIs() []string              { return slices.Clone(c.redirectURIs()) }
func (c registration) PostLogoutRedirectURIs() []string    { return nil }
func (c registration) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c registration) LoginURL(request string) string      { return "/login?id=" + url.QueryEscape(request) }
func (c registration) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c registration) IDTokenLifetime() time.Duration      { return c.idTokenTTL }
func (c registration) DevMode() bool                       { return false }
func (c registration) IsScopeAllowed(string) bool          { return true }
func (c registration) ClockSkew() time.Duration            { return 0 }

// IDTokenUserinfoClaimsAssertion true keeps the user's claims in the ID token
// although there is a userinfo endpoint for them.
func (c registration) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c registration) AuthMethod() oidc.AuthMethod {
	if c.Post {
		return oidc.AuthMethodPost
	}
	return oidc.AuthMethodBasic
}

func (c registration) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c registration) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

func (c registration) RestrictAdditionalIdTokenScopes() func([]string) []string { return unchanged }

func (c registration) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return unchanged
}

func unchanged(scopes []string) []string { return scopes }
