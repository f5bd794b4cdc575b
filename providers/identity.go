package providers

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrKeysUnavailable: the provider's signing keys could not be fetched, so the
// ID token is neither good nor bad. Save the answer as unverified, try later.
var ErrKeysUnavailable = errors.New("the keys to verify the ID token are not available")

// ErrHostile: what was shown is not what this provider issues for this login:
// wrong signature, algorithm, issuer, audience, subject, or expired. Quarantine.
// The error is a Rejection, which has the reason.
var ErrHostile = errors.New("this does not prove the login")

// Identity is a login: `sub` counts only within one issuer and one client. It
// prints itself without the subject, which may be a name.
type Identity struct{ Issuer, Subject, ClientID string }

// LogValue implements slog.LogValuer.
func (i Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.String("iss", i.Issuer), slog.String("client_id", i.ClientID))
}

// Format prints the same for every verb.
func (i Identity) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%v", i.LogValue()) }

// Comparison is what an ID token said about the login, as events name it.
type Comparison string

// A different login is no Comparison but ErrHostile: on a refresh it may not be.
const (
	ComparisonUnknown Comparison = "unknown"
	ComparisonSame    Comparison = "same"
)

// Verified is what Verify, VerifyCode and Identify found. It prints itself
// without subject and claims.
type Verified struct {
	// Comparison is ComparisonUnknown from all but Verify.
	Comparison Comparison
	// Identity as proven; zero when nothing was.
	Identity Identity
	// ExpiresAt is the ID token's own `exp`; zero when none was verified.
	ExpiresAt time.Time
	// Claims are the provider's own claims about the user; nil where nothing was
	// verified or where they were too many to keep, which ClaimsOmitted tells.
	Claims        Claims
	ClaimsOmitted bool
}

// LogValue implements slog.LogValuer.
func (v Verified) LogValue() slog.Value {
	return slog.GroupValue(slog.String("comparison", string(v.Comparison)), slog.Any("identity", v.Identity),
		slog.Time("expires_at", v.ExpiresAt), slog.Int("claims", len(v.Claims)))
}

// Format prints the same for every verb.
func (v Verified) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%v", v.LogValue()) }
