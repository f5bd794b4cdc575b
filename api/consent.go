package api

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// VerbConsentBegin asks for a consent flow.
const VerbConsentBegin = "consent-begin"

// ConsentBegin begins a consent flow: for a link that exists, or for a new one.
type ConsentBegin struct {
	Provider string `json:"provider"`
	// Link is the link to consent again for. Empty: a new one, whose id the reply names.
	Link string `json:"link,omitempty"`
	// User is the application's own name for its user. A link of another user is refused.
	User string `json:"user"`
	// Nickname is what the user calls this login. Empty leaves that of the link.
	Nickname string `json:"nickname,omitempty"`
	// RedirectURI is where the provider sends the browser; it must be registered there.
	RedirectURI string `json:"redirect_uri"`
	// Scopes to ask for. None: those that the provider is configured with.
	Scopes []string `json:"scopes,omitempty"`
	// Prompt and LoginHint are passed on (OIDC Core section 3.1.2.1).
	Prompt    string `json:"prompt,omitempty"`
	LoginHint string `json:"login_hint,omitempty"`
}

// Validate names the first field that no worker would take, in an *Error.
func (r ConsentBegin) Validate() error {
	return first(
		name("provider", r.Provider),
		optional(r.Link, link("link", r.Link)),
		text("user", r.User, maxText),
		optional(r.Nickname, text("nickname", r.Nickname, maxText)),
		redirect("redirect_uri", r.RedirectURI),
		scopes("scopes", r.Scopes),
		optional(r.Prompt, prompt("prompt", r.Prompt)),
		optional(r.LoginHint, text("login_hint", r.LoginHint, maxText)),
	)
}

// ConsentBegun is a flow that waits for its user. State and AuthorizeURL are for
// that user's browser and for nobody else: whoever holds them can finish the flow
// as somebody else. It prints without them.
type ConsentBegun struct {
	// Link is the link that the flow is for. A new one exists once its user consented.
	Link         string `json:"link"`
	State        string `json:"state"`
	AuthorizeURL string `json:"authorize_url"`
	// ExpiresAt is when the provider's redirect must have come back.
	ExpiresAt time.Time `json:"expires_at"`
}

// String, GoString, Format and LogValue leave out what is the browser's.
func (r ConsentBegun) String() string {
	return fmt.Sprintf("consent for link %s until %s %s", r.Link, r.ExpiresAt.Format(time.RFC3339), redacted)
}
func (r ConsentBegun) GoString() string           { return r.String() }
func (r ConsentBegun) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }
func (r ConsentBegun) LogValue() slog.Value {
	return slog.GroupValue(slog.String("link", r.Link), slog.Time("expires_at", r.ExpiresAt))
}
