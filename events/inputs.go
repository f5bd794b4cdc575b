package events

import (
	"fmt"
	"io"
	"log/slog"
)

// Reason says what a reporter saw of a bearer.
type Reason string

// A 401 counts as proof that the bearer is dead; the other two are a look at the clock.
const (
	ReasonUnauthorized Reason = "unauthorized" // the API answered 401
	ReasonExpired      Reason = "expired"      // its own clock has run out
	ReasonExpiring     Reason = "expiring"     // its own clock is about to
)

// TokenExpired reports a bearer that no longer works or soon will not. One of
// Generation and Fingerprint is required: without either nobody could tell a
// late report from a new one. Generation wins where both are given.
type TokenExpired struct {
	Address
	Generation uint64 `json:"generation,omitempty"`
	// Fingerprint is Fingerprint(bearer), for reporters that hold nothing but the bearer.
	Fingerprint string `json:"fingerprint,omitempty"`
	Reason      Reason `json:"reason"`
	// Status is the API's HTTP status, 100 to 599, and Error its error code (RFC
	// 6750 section 3.1): one word of [A-Za-z0-9_.:-], up to 64 characters. A
	// message would invite reporters to paste what must not travel.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// ReconsentCompleted says that the user came back from the provider: with State
// and Code, as the redirect brought them (RFC 6749 section 4.1.2), with State and
// Error where the provider or the user declined (section 4.1.2.1), or with Staging
// where the sender exchanged the code and staged the tokens through the API.
// Exactly one of the three.
type ReconsentCompleted struct {
	Address
	State string `json:"state,omitempty"`
	Code  Code   `json:"code,omitempty"`
	// Error is the redirect's error, such as access_denied: one word, as in
	// TokenExpired. The description beside it is text that anybody could have written.
	Error string `json:"error,omitempty"`
	// Iss is the redirect's iss parameter (RFC 9207), against mix-up of servers.
	Iss     string `json:"iss,omitempty"`
	Staging string `json:"staging,omitempty"`
	// User is the application's user whose browser came back. Where it is given, a
	// flow that was begun for another user is refused: somebody made that browser
	// finish a login that is not its user's (RFC 6749 section 10.12).
	User string `json:"user,omitempty"`
}

// Code is an authorization code: it marshals to JSON, because its event is the
// one place where it may travel, and prints as [redacted] everywhere else.
type Code string

const redacted = "[redacted]"

// String, GoString, Format and LogValue print [redacted]. string(c) is the code itself.
func (c Code) String() string             { return redacted }
func (c Code) GoString() string           { return redacted }
func (c Code) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }
func (c Code) LogValue() slog.Value       { return slog.StringValue(redacted) }

// Decision is what somebody decided on a held replacement.
type Decision string

// The decisions.
const (
	DecisionApprove Decision = "approve"
	DecisionReject  Decision = "reject"
)

// LinkReplacementDecided answers a LinkReplacementHeld. Consent is that of the
// held event; a decision that names any other has no effect.
type LinkReplacementDecided struct {
	Address
	Consent  uint64   `json:"consent"`
	Decision Decision `json:"decision"`
}

// LogoutScope says how much of a user's access ends.
type LogoutScope string

// The scopes of a logout.
const (
	LogoutLink LogoutScope = "link" // this link
	LogoutUser LogoutScope = "user" // this link and every other link of its user in the tenant
)

// LogoutRequested asks to revoke a link at the provider and clear it.
type LogoutRequested struct {
	Address
	Scope LogoutScope `json:"scope"`
}
