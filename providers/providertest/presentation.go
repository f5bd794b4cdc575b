package providertest

import "time"

// Outcome is what became of one presentation.
type Outcome string

const (
	// OK: the credential was good; where it is one-time, it is consumed now.
	OK Outcome = "ok"
	// ReuseGrace: consumed before, and tolerated by Grace or UntilSuccessorUsed.
	ReuseGrace Outcome = "reuse_grace"
	// ReuseRevoked: consumed before, and the family was revoked for it.
	ReuseRevoked Outcome = "reuse_revoked"
	// Refused: unknown, or consumed before and the family left alone.
	Refused Outcome = "refused"
	// Dead: expired, or its family had ended before.
	Dead Outcome = "dead"
	// WrongRedirect and WrongVerifier: a good code with another redirect_uri than it
	// was asked for with, or without its PKCE verifier. The code is spent by it.
	WrongRedirect Outcome = "wrong_redirect"
	WrongVerifier Outcome = "wrong_verifier"
	// Client: client authentication failed; the credential was not looked at.
	Client Outcome = "client"
	// Malformed: not a token request that RFC 6749 allows.
	Malformed Outcome = "malformed"
	// Unprocessed: a fault before consumption ended the request.
	Unprocessed Outcome = "unprocessed"
	// Open is the missing outcome of a request that is still being served, or
	// was when the server's process ended.
	Open Outcome = ""
)

// Kinds of credential.
const (
	KindRefresh = "refresh_token"
	KindCode    = "authorization_code"
	KindOther   = "other"
)

// Presentation is one arrival of a credential at a token endpoint.
type Presentation struct {
	// N numbers presentations in order of arrival, from 1. Zero is a request to
	// another endpoint, which a fault reported and the ledger does not have.
	N  int       `json:"n"`
	At time.Time `json:"at"`
	// Provider is the one whose endpoint was asked.
	Provider string `json:"provider"`
	// Family is empty for a credential that this server never issued.
	Family string `json:"family,omitempty"`
	// Serial says which refresh token of the family, from 1; 0 is the code.
	Serial int    `json:"serial"`
	Kind   string `json:"kind"`
	// Token is the credential's fingerprint.
	Token   string  `json:"token,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Fault is the scripted fault that this request met, like "after hang".
	Fault string `json:"fault,omitempty"`
}

// Filter chooses presentations; a zero field matches all.
type Filter struct {
	Provider, Family, Kind string
	Serial                 int
	Outcome                Outcome
}

func (f Filter) matches(p Presentation) bool {
	return matches(f.Provider, p.Provider) && matches(f.Family, p.Family) && matches(f.Kind, p.Kind) &&
		matches(f.Serial, p.Serial) && matches(f.Outcome, p.Outcome)
}

func matches[T comparable](want, got T) bool {
	var all T
	return want == all || want == got
}
