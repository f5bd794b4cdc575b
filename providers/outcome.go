package providers

import (
	"fmt"
	"log/slog"
	"time"
)

// Class is what an attempt came to, as far as it decides what to do next.
type Class int

// The zero class is Ambiguous, because it claims nothing: an Outcome that nobody
// filled in must not look like a success nor like a request never sent.
const (
	// Ambiguous: the token may have been consumed. Follow the profile's Replay.
	Ambiguous Class = iota
	// OK: a new token set was read in full and is in Outcome.Answer.
	OK
	// NotSent: not one byte of the request reached the socket.
	NotSent
	// Refused for now: throttled before the token was looked at. Retry later.
	Refused
	// GrantDead: the provider disowns the grant. Re-read the record before
	// believing it: another attempt may have won.
	GrantDead
	// OurFault: our registration, address or request is wrong. Never the link's
	// fault; it concerns the app as a whole.
	OurFault
	// Hostile: the answer cannot be what the provider meant to give us. Refresh
	// never returns it; it is the class of an answer for which Verify returned
	// ErrHostile.
	Hostile
)

var classNames = [...]string{"ambiguous", "ok", "not_sent", "refused", "grant_dead", "our_fault", "hostile"}

func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return "ambiguous"
	}
	return classNames[c]
}

// Reach is how far an attempt demonstrably got. It is noted at the socket and by
// httptrace, so it can be trusted where an error text cannot.
type Reach int

// In the order of a request's life.
const (
	ReachNone      Reach = iota // no connection
	ReachConnected              // connected, TLS included; no byte of the request written
	ReachHeaders                // some of the request's bytes were accepted by the socket
	ReachWrote                  // the whole request was written
	ReachFirstByte              // the answer began
	ReachRead                   // the answer was read to its end
)

var reachNames = [...]string{"none", "connected", "headers", "wrote", "first_byte", "read"}

func (r Reach) String() string {
	if r < 0 || int(r) >= len(reachNames) {
		return "none"
	}
	return reachNames[r]
}

// Outcome is the result of one attempt. It is safe to print and to log whole: it
// prints itself without its Answer.
type Outcome struct {
	Class  Class
	Reach  Reach
	Status int // HTTP status; 0: no answer
	// Code is the OAuth error code (RFC 6749, 5.2), reduced to [a-z0-9_.]{0,64}.
	Code string
	// RetryAfter is what the provider asked for, capped; 0: it did not ask.
	RetryAfter time.Duration
	// Answer is set when Class is OK. It is also set when Class is Ambiguous and
	// the answer, though unusable, carried a refresh token: that may be the only
	// copy of the live credential, so keep it as a candidate.
	Answer *Answer
	// Err says in words what went wrong and what to do; nil when Class is OK. It
	// holds no body, no query and no secret.
	Err error
}

// LogValue implements slog.LogValuer.
func (o Outcome) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("class", o.Class.String()), slog.String("reach", o.Reach.String())}
	if o.Status != 0 {
		attrs = append(attrs, slog.Int("status", o.Status))
	}
	if o.Code != "" {
		attrs = append(attrs, slog.String("code", o.Code))
	}
	if o.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", o.RetryAfter))
	}
	if o.Err != nil {
		attrs = append(attrs, slog.String("error", o.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Format prints the same for every verb. It is a Formatter and not a Stringer
// because fmt walks into a struct whose verb does not suit a field, past the
// methods by which the fields would redact themselves.
func (o Outcome) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%v", o.LogValue()) }
