// Package secret holds values that must never be printed: access tokens,
// refresh tokens, ID tokens, client secrets, authorization codes, verifiers.
//
// A Value redacts itself through every door that Go opens to a value by
// accident: fmt in all verbs, log/slog, encoding/json and encoding.Text. The
// clear text leaves through one method with a name that is easy to search for,
// Reveal, so that a review of the project's handling of secrets is one search.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Value prints in place of its text.
const Redacted = "[redacted]"

// Value is a secret. The zero Value is empty. It is safe for concurrent use and
// comparable only through Equal, which takes the same time whatever differs.
type Value struct {
	_ [0]func() // not comparable by ==: that would leak timing and invite maps keyed by secrets
	// clear is a pointer because fmt calls no method on a value in an unexported
	// field: it would print a string there, but prints an address.
	clear *string
}

// New wraps clear text.
func New(clear string) Value {
	if clear == "" {
		return Value{}
	}
	return Value{clear: &clear}
}

// Reveal returns the clear text. Call it only where the text is sent to its
// audience or sealed, and never keep the result.
func (v Value) Reveal() string {
	if v.clear == nil {
		return ""
	}
	return *v.clear
}

// IsZero says whether there is no secret at all.
func (v Value) IsZero() bool { return v.clear == nil }

// Equal compares in time independent of where the two differ.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(other.Reveal())) == 1
}

// Fingerprint names a bearer without revealing it: the first 16 bytes of its
// SHA-256, base64url without padding (22 characters). Empty for an empty Value.
func (v Value) Fingerprint() string {
	if v.clear == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(*v.clear))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// String, GoString, Format, LogValue, MarshalJSON and MarshalText all print Redacted.
func (v Value) String() string               { return Redacted }
func (v Value) GoString() string             { return Redacted }
func (v Value) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, Redacted) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
