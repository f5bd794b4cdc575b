package api

import "time"

// VerbToken asks for the bearer of one link (events.Subjects.APILink).
const VerbToken = "token"

// MaxWait is the longest that a Token may wait.
const MaxWait = 30 * time.Second

// Token asks for a link's bearer. The link is the subject's, never the body's.
type Token struct {
	// MinGeneration is the least generation that will do: one more than that of the
	// bearer which was just reported. Zero: the current one.
	MinGeneration uint64 `json:"min_generation,omitempty"`
	// Wait is for how many seconds to wait where there is no such bearer yet; at most
	// MaxWait. Ask with a deadline somewhat beyond it.
	Wait float64 `json:"wait,omitempty"`
}

// Validate names the field that no worker would take, in an *Error.
func (r Token) Validate() error {
	return when(r.Wait < 0 || r.Wait > MaxWait.Seconds(), "wait", "is not a number of seconds from 0 to 30")
}

// Patience is Wait as a duration.
func (r Token) Patience() time.Duration { return time.Duration(r.Wait * float64(time.Second)) }

// Bearer is what a service sends to the link's API: the access token, or the ID
// token where the provider's profile says so, under either name. The link's refresh
// token is not to be had.
type Bearer struct {
	AccessToken Secret `json:"access_token"`
	TokenType   string `json:"token_type"`
	Generation  uint64 `json:"generation"`
	Consent     uint64 `json:"consent"`
	// ExpiresAt is zero where the provider does not tell.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Scopes    []string  `json:"scopes,omitempty"`
	// Fingerprint names the bearer in reports and logs.
	Fingerprint string `json:"fingerprint"`
	// Status is the link's state: a bearer is served in others than active too, as
	// long as it may live.
	Status string `json:"status"`
}
