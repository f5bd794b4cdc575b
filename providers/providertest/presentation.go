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
	// Throttled: answered 429 by Rate or Throttle; nothing was looked at.
	Throttled Outcome = "throttled"
	// Open is the missing outcome of a request that is still being served, or
	// was when the server's process ended.
	Open Outcome = ""
)

// Kinds of credential.
const (
	KindRefresh  = "refresh_token"
	KindCode     = "authorization_code"
	KindPassword = "password"
	KindClient   = "client_credentials"
	KindAPIKey   = "api_key" // whatever Behaviour.APIKeyGrant calls it
	KindOther    = "other"
)

// standardGrants are the grant types that are not for an API key.
var standardGrants = []string{KindRefresh, KindCode, KindPassword, KindClient}

// Presentation is one arrival of a credential at a token endpoint.
type Presentation struct {
	// N numbers presentations in order of arrival, from 1. Zero is a request to
	// another endpoint, which a fault reported and the ledger does not have.
	N  int       `json:"n"`
	At time.Time `json:"at"`
	// Provider is the one whose endpoint was asked.
	Provider string `json:"provider"`
	// Family is empty for a credential that this server never issued. A password,
	// an API key and the client's own credential have none until their outcome: then
	// it is the one that they began.
	Family string `json:"family,omitempty"`
	// Serial says which refresh token of the family, from 1; 0 is the code.
	Serial int    `json:"serial"`
	Kind   string `json:"kind"`
	// Sub is whose password or API key it is, if it is anybody's; the client_id for the
	// client's own. Empty for codes and refresh tokens.
	Sub string `json:"sub,omitempty"`
	// Token is the fingerprint of a code or refresh token. A password has none here:
	// it could be guessed from it.
	Token   string  `json:"token,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Fault is the scripted fault that this request met, like "after hang".
	Fault string `json:"fault,omitempty"`
	// Host is the one that the request named: which of several ways here it took.
	Host string `json:"host,omitempty"`
	// Settled is when the outcome was decided. Issued and Bearer are the fingerprints of
	// the refresh token and the bearer that the answer carries, whoever gets to read it.
	Settled time.Time `json:"settled,omitzero"`
	Issued  string    `json:"issued,omitempty"`
	Bearer  string    `json:"bearer,omitempty"`
}

// Filter chooses presentations; a zero field matches all.
type Filter struct {
	Provider, Family, Kind, Sub string
	Serial                      int
	Outcome                     Outcome
}

func (f Filter) matches(p Presentation) bool {
	return matches(f.Provider, p.Provider) && matches(f.Family, p.Family) && matches(f.Kind, p.Kind) &&
		matches(f.Sub, p.Sub) && matches(f.Serial, p.Serial) && matches(f.Outcome, p.Outcome)
}

func matches[T comparable](want, got T) bool {
	var all T
	return want == all || want == got
}
