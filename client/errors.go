package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
)

// Why a link has no token: for errors.Is. All but ErrUnavailable stand until
// somebody does something; what, the *Error around them says.
var (
	// ErrConsentRequired: only the link's user can help; Error.Nickname is what the
	// user calls the login.
	ErrConsentRequired = errors.New("the user must consent again")
	// ErrUncertain: whether the grant still lives is not known yet. It ends as a
	// token or as ErrConsentRequired.
	ErrUncertain = errors.New("the outcome of a refresh is not known yet")
	// ErrSuperseded: another user linked the same login.
	ErrSuperseded = errors.New("the login was linked by another user")
	// ErrReplaced: the link Error.By took this one's place.
	ErrReplaced = errors.New("another link took this one's place")
	// ErrRevoked: the link was logged out.
	ErrRevoked = errors.New("the link was logged out")
	// ErrQuarantined: the provider answered with what must not be used.
	ErrQuarantined = errors.New("the provider's answer must not be used")
	// ErrHeld: a replacement waits for a decision, and this link has no bearer meanwhile.
	ErrHeld = errors.New("a replacement of the link waits for a decision")
	// ErrSuspended: the provider refuses the application's registration, at least
	// until Error.Until.
	ErrSuspended = errors.New("the provider refuses the application's registration")
	// ErrNotFound: no such tenant, provider or link.
	ErrNotFound = errors.New("no such link")
	// ErrNotPermitted: the link is not the caller's to read. NATS says so at once.
	ErrNotPermitted = errors.New("the link is not the caller's to read")
	// ErrUnavailable: no token in time. NATS or the workers are away, or the provider is.
	ErrUnavailable = errors.New("no token could be had in time")
	// ErrInvalid: the request itself is wrong, or made by another version.
	ErrInvalid = errors.New("the request was refused")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the client is closed")
)

var sentinels = map[api.Code]error{
	api.ConsentRequired: ErrConsentRequired,
	api.Uncertain:       ErrUncertain,
	api.Superseded:      ErrSuperseded,
	api.Replaced:        ErrReplaced,
	api.Revoked:         ErrRevoked,
	api.Quarantined:     ErrQuarantined,
	api.Held:            ErrHeld,
	api.Suspended:       ErrSuspended,
	api.NotFound:        ErrNotFound,
	api.NotPermitted:    ErrNotPermitted,
	api.Pending:         ErrUnavailable,
	api.Unavailable:     ErrUnavailable,
	api.Invalid:         ErrInvalid,
}

// Error says why a link has no token, with what is known beyond the code. It holds
// no secret and may be logged and shown.
type Error struct {
	events.Address
	Code api.Code
	// Message is the worker's, for people.
	Message string
	// Nickname is what the user calls the login (ErrConsentRequired).
	Nickname string
	// By is the link that has the place now, where it is the same user's (ErrReplaced,
	// ErrSuperseded).
	By string
	// Generation is that of the link as it is, ended or not; 0: not known.
	Generation uint64
	// Until is when to try again at the earliest; zero: not known (ErrSuspended).
	Until time.Time
}

// Error is the link, the message and the code.
func (e *Error) Error() string {
	return fmt.Sprintf("token of %s: %s (%s)", e.Address, e.Message, e.Code)
}

// Unwrap is the code's Err value. That of a code which this version does not know
// is ErrUnavailable.
func (e *Error) Unwrap() error {
	if known := sentinels[e.Code]; known != nil {
		return known
	}
	return ErrUnavailable
}

// final says that asking again soon gets the same answer.
func final(err error) bool { return err != nil && !errors.Is(err, ErrUnavailable) }
