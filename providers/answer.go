package providers

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/regrant/regrant/secret"
)

// Answer is a token set as the provider sent it: what it left out is empty here.
type Answer struct {
	AccessToken secret.Value
	// RefreshToken is empty when the response had none: the old one stays in use
	// (RFC 6749, 6).
	RefreshToken secret.Value
	IDToken      secret.Value
	TokenType    string
	// Scopes as returned; ScopesGiven tells an empty list from no list, which
	// means unchanged (RFC 6749, 5.1).
	Scopes      []string
	ScopesGiven bool
	// RequestedAt is when the request was sent. All clocks are counted from it
	// and never from the response, which may have been long under way.
	RequestedAt time.Time
	// Zero means unknown, never "does not expire".
	ExpiresAt        time.Time // of the bearer
	RefreshExpiresAt time.Time
	ConsentExpiresAt time.Time
}

// clearAnswer is the serialised form: the only place where tokens are plain.
type clearAnswer struct {
	Version          int       `json:"v"`
	AccessToken      string    `json:"access_token,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	IDToken          string    `json:"id_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	Scopes           []string  `json:"scopes,omitempty"`
	ScopesGiven      bool      `json:"scopes_given,omitempty"`
	RequestedAt      time.Time `json:"requested_at"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	ConsentExpiresAt time.Time `json:"consent_expires_at,omitzero"`
}

const answerVersion = 1

// MarshalClear returns the answer WITH ITS TOKENS IN CLEAR TEXT. Its only use is
// as the plaintext of a sealing function; ordinary encoders print redactions.
func (a Answer) MarshalClear() ([]byte, error) {
	return json.Marshal(clearAnswer{
		Version: answerVersion, AccessToken: a.AccessToken.Reveal(), RefreshToken: a.RefreshToken.Reveal(),
		IDToken: a.IDToken.Reveal(), TokenType: a.TokenType, Scopes: a.Scopes, ScopesGiven: a.ScopesGiven,
		RequestedAt: a.RequestedAt, ExpiresAt: a.ExpiresAt,
		RefreshExpiresAt: a.RefreshExpiresAt, ConsentExpiresAt: a.ConsentExpiresAt,
	})
}

// ParseAnswer reads what MarshalClear wrote. Its errors name no content.
func ParseAnswer(clear []byte) (*Answer, error) {
	var c clearAnswer
	if err := json.Unmarshal(clear, &c); err != nil {
		return nil, fmt.Errorf("providers: a sealed answer of %d bytes is not in the form we write", len(clear))
	}
	if c.Version != answerVersion {
		return nil, fmt.Errorf("providers: a sealed answer has version %d and this worker reads %d: run the newer release", c.Version, answerVersion)
	}
	return &Answer{
		AccessToken: secret.New(c.AccessToken), RefreshToken: secret.New(c.RefreshToken),
		IDToken: secret.New(c.IDToken), TokenType: c.TokenType, Scopes: c.Scopes, ScopesGiven: c.ScopesGiven,
		RequestedAt: c.RequestedAt, ExpiresAt: c.ExpiresAt,
		RefreshExpiresAt: c.RefreshExpiresAt, ConsentExpiresAt: c.ConsentExpiresAt,
	}, nil
}
