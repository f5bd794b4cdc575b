package api

import "fmt"

// Code says, for programs, why there is no reply.
type Code string

// The codes. All but Pending and Unavailable are final: the same request meets the
// same answer until something changes. Uncertain says that nobody can know whether
// it will.
const (
	NotFound        Code = "not_found"        // no such tenant, provider, user or link
	NotPermitted    Code = "not_permitted"    // the link is another user's
	ConsentRequired Code = "consent_required" // only the link's user can help: begin a consent
	Uncertain       Code = "uncertain"        // whether the grant still lives is not known yet
	Superseded      Code = "superseded"       // the link's login was linked by another user
	Replaced        Code = "replaced"         // another link took this one's place
	Revoked         Code = "revoked"          // logged out
	Quarantined     Code = "quarantined"      // the provider's answer must not be used
	Held            Code = "held"             // a replacement waits for a decision
	Suspended       Code = "suspended"        // the provider refuses our own registration
	Pending         Code = "pending"          // not yet: a newer generation may come, ask again
	Invalid         Code = "invalid"          // the request itself is wrong; Message names the field
	Unavailable     Code = "unavailable"      // nobody answered, or nobody could now: try again
)

// Error is the answer to a request that got none. It holds nothing of what was
// sent: it may be logged and shown.
type Error struct {
	Code Code `json:"code"`
	// Message is for people, and ends in what to do where that is not plain.
	Message string `json:"message"`
	// Link is the id of the link that this is about, where there is one.
	Link string `json:"link,omitempty"`
	// Nickname is what the link's user calls it, where that user can help.
	Nickname string `json:"nickname,omitempty"`
	// By is the link of the same user that took the link's place.
	By string `json:"by,omitempty"`
	// Generation is that of the link as it is, whatever was asked for.
	Generation uint64 `json:"generation,omitempty"`
	// RetryAfter is for how many seconds asking again is useless, where that is known.
	RetryAfter float64 `json:"retry_after,omitempty"`
}

// Error is the message and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }

// Refuse makes an Error. The arguments must not hold what a sender wrote.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid refuses one field.
func invalid(field, problem string) error { return Refuse(Invalid, "%s: %s", field, problem) }
