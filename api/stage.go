package api

import "time"

// VerbStage asks to keep tokens for a reconsent.
const VerbStage = "stage"

// Stage hands over the tokens of a service that exchanged the code itself. The
// reply's staging id goes into a reconsent-completed, which is when they are
// looked into; until then they are nobody's.
type Stage struct {
	Provider string `json:"provider"`
	// Link is the link that consented. Empty: a new one, whose id the reply names.
	Link string `json:"link,omitempty"`
	// User is the application's own name for its user. A link of another user is refused.
	User     string `json:"user"`
	Nickname string `json:"nickname,omitempty"`

	// The token endpoint's answer (RFC 6749 section 5.1). An access token or an ID
	// token there must be.
	AccessToken  Secret `json:"access_token,omitempty"`
	RefreshToken Secret `json:"refresh_token,omitempty"`
	IDToken      Secret `json:"id_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	// ExpiresIn counts seconds from now. Zero: the provider did not say.
	ExpiresIn int64 `json:"expires_in,omitempty"`
	// Scope is what was granted, separated by spaces; nil: what was asked for.
	Scope *string `json:"scope,omitempty"`
	// Nonce is what the ID token must repeat. Empty: the flow had none.
	Nonce string `json:"nonce,omitempty"`
}

// maxExpiresIn is a hundred years: more is a mistake in the unit.
const maxExpiresIn = 100 * 366 * 24 * 60 * 60

// Validate names the first field that no worker would take, in an *Error.
func (r Stage) Validate() error {
	return first(
		name("provider", r.Provider),
		optional(r.Link, link("link", r.Link)),
		text("user", r.User, maxText),
		optional(r.Nickname, text("nickname", r.Nickname, maxText)),
		when(r.AccessToken == "" && r.IDToken == "", "access_token", "is missing, and so is id_token: give the bearer"),
		token("access_token", r.AccessToken),
		token("refresh_token", r.RefreshToken),
		token("id_token", r.IDToken),
		optional(r.TokenType, text("token_type", r.TokenType, maxText)),
		when(r.ExpiresIn < 0 || r.ExpiresIn > maxExpiresIn, "expires_in", "is not a number of seconds from now"),
		r.scope(),
		optional(r.Nonce, text("nonce", r.Nonce, maxText)),
	)
}

func (r Stage) scope() error {
	if r.Scope == nil {
		return nil
	}
	return scopes("scope", words(*r.Scope))
}

// Staged is where the tokens wait.
type Staged struct {
	Link string `json:"link"`
	// Staging goes into reconsent-completed. It is good for one, before ExpiresAt.
	Staging   string    `json:"staging"`
	ExpiresAt time.Time `json:"expires_at"`
}
