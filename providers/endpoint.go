package providers

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What can go wrong with an endpoint other than the token endpoint. The error
// is an EndpointError.
var (
	// ErrUnreachable: no answer, or one that says that there will be one later
	// (5xx, 429, a time-out). Trying again may help.
	ErrUnreachable = errors.New("not reached")
	// ErrRefused: it was understood and refused (401, 403, our registration), or
	// the address is wrong. Trying the same again does not help.
	ErrRefused = errors.New("refused")
	// ErrMalformed: the answer makes no sense by the profile.
	ErrMalformed = errors.New("malformed")
	// ErrTooMany: there is more to list than we read.
	ErrTooMany = errors.New("too many")
	// ErrNotSupported: the profile names no address for it, or the provider says
	// that it cannot.
	ErrNotSupported = errors.New("not supported")
)

// Reasons of an EndpointError, as events name them; malformed is ReasonMalformed.
const (
	ReasonUnreachable  = "unreachable"
	ReasonRefused      = "refused"
	ReasonTooMany      = "too_many"
	ReasonNotSupported = "not_supported"
)

var kinds = map[string]error{
	ReasonUnreachable: ErrUnreachable, ReasonRefused: ErrRefused, ReasonMalformed: ErrMalformed,
	ReasonTooMany: ErrTooMany, ReasonNotSupported: ErrNotSupported,
}

// EndpointError is the failure of a request for userinfo, accounts, customer,
// revocation or of making the authorize URL. It holds nothing that the other
// side said.
type EndpointError struct {
	Endpoint string // authorize, userinfo, accounts, customer or revocation
	Reason   string
	Status   int // HTTP status; 0: no answer
	// RetryAfter is what the provider asked for, capped; 0: it did not ask.
	RetryAfter time.Duration

	provider, words string
}

func (e *EndpointError) Error() string {
	return fmt.Sprintf("provider %s: %s: %s: %s", e.provider, e.Endpoint, kinds[e.Reason], e.words)
}

// Unwrap returns ErrUnreachable, ErrRefused, ErrMalformed, ErrTooMany or
// ErrNotSupported.
func (e *EndpointError) Unwrap() error { return kinds[e.Reason] }

func malformed(words string) error { return &EndpointError{Reason: ReasonMalformed, words: words} }

func tooMany(format string, args ...any) error {
	return &EndpointError{Reason: ReasonTooMany, words: fmt.Sprintf(format, args...)}
}

func notSupported(field string) error {
	return &EndpointError{Reason: ReasonNotSupported, words: "the profile has no " + field + "; write it if the provider has one"}
}

// blame writes provider and endpoint into an EndpointError.
func (p *Provider) blame(endpoint string, err error) error {
	var e *EndpointError
	if errors.As(err, &e) {
		e.provider, e.Endpoint = p.name, endpoint
	}
	return err
}

// statusError judges a status; nil for success.
func (p *Provider) statusError(status int, header http.Header) error {
	if status >= 200 && status <= 299 {
		return nil
	}
	e := &EndpointError{Reason: ReasonRefused, Status: status, words: statusWords(status, "")}
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		e.Reason = ReasonUnreachable
		e.RetryAfter = retryAfter(header.Get("Retry-After"), p.opts.Clock())
	case status >= 300 && status <= 399:
		e.words += "; a redirect is not followed, for it would carry the token along: write the final address"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.words += "; the token does not permit it, check the scopes that are asked for"
	default:
		e.words += "; check the address"
	}
	return e
}
