package testop

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// authRequest is one visit to the authorize endpoint: what the client asked for
// and, once done, what the user gave. It is a value: the library and the store
// never see each other's changes.
type authRequest struct {
	id    string
	code  string // while the library redeems it
	asked oidc.AuthRequest
	gave  agreement
	done  bool
}

// agreement is what a user consented to.
type agreement struct {
	client, sub string
	scopes      []string
	accounts    []string // nil: all that the user has, also later
	at          time.Time
}

func (r authRequest) GetID() string                      { return r.id }
func (r authRequest) GetACR() string                     { return "" }
func (r authRequest) GetAMR() []string                   { return []string{"pwd"} }
func (r authRequest) GetAudience() []string              { return []string{r.asked.ClientID} }
func (r authRequest) GetAuthTime() time.Time             { return r.gave.at }
func (r authRequest) GetClientID() string                { return r.asked.ClientID }
func (r authRequest) GetNonce() string                   { return r.asked.Nonce }
func (r authRequest) GetRedirectURI() string             { return r.asked.RedirectURI }
func (r authRequest) GetResponseType() oidc.ResponseType { return r.asked.ResponseType }
func (r authRequest) GetResponseMode() oidc.ResponseMode { return r.asked.ResponseMode }
func (r authRequest) GetScopes() []string                { return slices.Clone(r.gave.scopes) }
func (r authRequest) GetState() string                   { return r.asked.State }
func (r authRequest) GetSubject() string                 { return r.gave.sub }
func (r authRequest) Done() bool                         { return r.done }

func (r authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.asked.CodeChallenge, Method: r.asked.CodeChallengeMethod}
}

// refreshRequest is one presentation of a refresh token that looked alive.
type refreshRequest struct {
	agreement
}

func (r *refreshRequest) GetAMR() []string                 { return []string{"pwd"} }
func (r *refreshRequest) GetAudience() []string            { return []string{r.client} }
func (r *refreshRequest) GetAuthTime() time.Time           { return r.at }
func (r *refreshRequest) GetClientID() string              { return r.client }
func (r *refreshRequest) GetScopes() []string              { return slices.Clone(r.scopes) }
func (r *refreshRequest) GetSubject() string               { return r.sub }
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }
