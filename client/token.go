package client

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/secret"
)

// Token is one generation of a link's bearer. It is shared by all who asked for it
// and must not be changed. It prints without the bearer.
type Token struct {
	// Bearer is what the API takes: an access token, for some providers an ID token.
	Bearer secret.Value
	// Type is the provider's token_type. The bearer is sent as "Bearer" whatever it says.
	Type string
	// Generation and Consent count the link's token sets and consents.
	Generation, Consent uint64
	// ExpiresAt is zero where the provider does not tell.
	ExpiresAt time.Time
	// Scopes is what was granted, where it is known.
	Scopes []string
	// Fingerprint names the bearer without revealing it.
	Fingerprint string
	// Status is the link's state when the token was read. A link may serve a token
	// and need its user soon.
	Status string

	// authorization is the header's value, made once.
	authorization secret.Value
}

// OAuth2 is the token for code that knows nothing of Regrant. It holds no refresh
// token. Code that would keep it until it expires is better served by Link.TokenSource.
func (t *Token) OAuth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Bearer.Reveal(), TokenType: "Bearer", Expiry: t.ExpiresAt}
}

// String, GoString, Format and LogValue leave out the bearer.
func (t Token) String() string {
	return fmt.Sprintf("token of generation %d (%s)", t.Generation, t.Fingerprint)
}
func (t Token) GoString() string           { return t.String() }
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }
func (t Token) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("generation", t.Generation), slog.String("fingerprint", t.Fingerprint))
}
