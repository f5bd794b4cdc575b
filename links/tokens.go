package links

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/regrant/regrant/secret"
)

// Tokens is the sealed part of a link: what must never leave a worker in the
// clear. Only MarshalClear reveals it, for sealing.
type Tokens struct {
	Access, Refresh, ID secret.Value
	// APIKey is the user's key, where the provider's chain of grants has one.
	APIKey          secret.Value
	Type            string
	Issuer, Subject string
	// Claims are the ID token's custom claims, by name.
	Claims map[string]json.RawMessage
}

type clearTokens struct {
	Access  string `json:"access_token,omitzero"`
	Refresh string `json:"refresh_token,omitzero"`
	ID      string `json:"id_token,omitzero"`
	APIKey  string `json:"api_key,omitzero"`
	Type    string `json:"token_type,omitzero"`
	Issuer  string `json:"iss,omitzero"`
	Subject string `json:"sub,omitzero"`

	Claims map[string]json.RawMessage `json:"claims,omitzero"`
}

// MarshalClear returns the clear text to be sealed. It goes nowhere else.
func (t Tokens) MarshalClear() ([]byte, error) {
	return json.Marshal(clearTokens{
		Access: t.Access.Reveal(), Refresh: t.Refresh.Reveal(), ID: t.ID.Reveal(), APIKey: t.APIKey.Reveal(),
		Type: t.Type, Issuer: t.Issuer, Subject: t.Subject, Claims: t.Claims,
	})
}

// ParseTokens reads what MarshalClear wrote.
func ParseTokens(clear []byte) (Tokens, error) {
	var c clearTokens
	if err := json.Unmarshal(clear, &c); err != nil {
		return Tokens{}, fmt.Errorf("%w: sealed part is not a token set", ErrRecord)
	}
	return Tokens{
		Access: secret.New(c.Access), Refresh: secret.New(c.Refresh), ID: secret.New(c.ID), APIKey: secret.New(c.APIKey),
		Type: c.Type, Issuer: c.Issuer, Subject: c.Subject, Claims: c.Claims,
	}, nil
}

// String redacts, as do all other ways to print: raw sub and iss are as secret as the tokens.
func (Tokens) String() string { return secret.Redacted }

// GoString redacts.
func (Tokens) GoString() string { return secret.Redacted }

// Format redacts under every verb.
func (Tokens) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, secret.Redacted) }

// LogValue redacts.
func (Tokens) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalJSON redacts; MarshalClear is the other one.
func (Tokens) MarshalJSON() ([]byte, error) { return []byte(`"` + secret.Redacted + `"`), nil }

// Grant is what a verified answer brings to the record, in the clear, and its
// token set sealed for the generation that a commit of it would make.
type Grant struct {
	Fingerprint string `json:"fingerprint"`
	Refreshable bool   `json:"refreshable,omitzero"`
	// Scopes counts only if the provider named any (RFC 6749 section 5.1: omitted means unchanged).
	Scopes      []string  `json:"scopes,omitzero"`
	ScopesGiven bool      `json:"scopes_given,omitzero"`
	IssuedAt    time.Time `json:"issued_at,omitzero"`
	// The clocks; zero leaves RefreshExpiresAt and ConsentExpiresAt as they were.
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	ConsentExpiresAt time.Time `json:"consent_expires_at,omitzero"`
	Comparison       string    `json:"comparison,omitzero"`
	// APIKey: the token set holds an API key.
	APIKey bool `json:"api_key,omitzero"`
	// Renewed: a refresh token came with the answer.
	Renewed bool `json:"renewed,omitzero"`
	// ClaimsChanged are names of custom claims, never values.
	ClaimsChanged []string `json:"claims_changed,omitzero"`
	Sealed        []byte   `json:"-"`
}
