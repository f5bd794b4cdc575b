package providers

import (
	"errors"
	"time"
)

// ErrKeysUnavailable: the provider's signing keys could not be fetched, so the
// ID token is neither good nor bad. Save the answer as unverified, try later.
var ErrKeysUnavailable = errors.New("the keys to verify the ID token are not available")

// ErrHostile: the ID token is not what this provider issues for this login: wrong
// signature, algorithm, issuer, audience, subject, or expired. Quarantine.
var ErrHostile = errors.New("the ID token does not belong to this link")

// Identity is a login: `sub` counts only within one issuer and one client.
type Identity struct{ Issuer, Subject, ClientID string }

// Comparison is what an ID token said about the login, as events name it.
type Comparison string

// A different login is no Comparison but ErrHostile: on a refresh it may not be.
const (
	ComparisonUnknown Comparison = "unknown"
	ComparisonSame    Comparison = "same"
)

// Verified is what Verify found.
type Verified struct {
	Comparison Comparison
	// Identity as proven by the ID token; zero when nothing was verified.
	Identity Identity
	// ExpiresAt is the ID token's own `exp`; zero when nothing was verified.
	ExpiresAt time.Time
}
