package events

import "time"

// Clock names one of the ends that a link can come to.
type Clock string

// The clocks.
const (
	ClockAccess  Clock = "access"  // the bearer, of a link that cannot be refreshed
	ClockRefresh Clock = "refresh" // the refresh credential
	ClockConsent Clock = "consent" // what the user agreed to
)

// ConsentExpiring asks for a reconsent while the link still works. It carries
// expirytime = EndsAt: after that a ConsentRequired speaks instead.
type ConsentExpiring struct {
	Address
	Nickname   string    `json:"nickname,omitempty"`
	Generation uint64    `json:"generation"`
	Consent    uint64    `json:"consent"`
	Clock      Clock     `json:"clock"`
	EndsAt     time.Time `json:"ends_at"`
}

// ConsentRequired says that only the user can bring the link back. It is sent
// once; silence follows until a reconsent (R9).
type ConsentRequired struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation"`
	Consent    uint64 `json:"consent"`
	// Reason is a snake_case word: outcome_unknown, grant_dead,
	// ambiguous_consumed, refresh_expired, no_refresh_token, policy …
	Reason string `json:"reason"`
}

// The reasons of a ConsentFailed that we give. Beside them stands what the
// redirect brought in place of a code where it is one of the errors of RFC 6749
// section 4.1.2.1 and OIDC Core section 3.1.2.6, such as access_denied.
const (
	ConsentOutcomeUnknown = "outcome_unknown" // the code was presented, nobody knows with what result
	ConsentCodeRejected   = "code_rejected"   // the provider does not take the code (invalid_grant)
	ConsentRefused        = "refused"         // the redirect brought an error of nobody's list, or the provider throttled the code
	ConsentAccessDenied   = "access_denied"   // the user, or the provider, said no
	ConsentNewerConsent   = "newer_consent"   // the link has a consent that is newer than this one
	ConsentOurFault       = "our_fault"       // the provider refuses our registration or our request

	// A hold that ended without the replacement.
	ConsentRejected    = "rejected"     // somebody decided against it
	ConsentHoldExpired = "hold_expired" // nobody decided in time

	// A redirect that does not belong to its flow, or came too late.
	ConsentExpired = "expired"

	// An answer that says the wrong thing, or is not signed as it should be.
	ConsentWrongNonce     = "wrong_nonce"
	ConsentWrongIssuer    = "wrong_issuer"
	ConsentWrongAudience  = "wrong_audience"
	ConsentWrongParty     = "wrong_party" // azp
	ConsentWrongAlgorithm = "wrong_algorithm"
	ConsentWrongSignature = "wrong_signature"
	ConsentNotYetValid    = "not_yet_valid"
	ConsentNoSubject      = "no_subject"
	ConsentMissing        = "missing" // no ID token where there must be one
	ConsentMalformed      = "malformed"
	ConsentAtHash         = "at_hash"      // the access token is not the one the ID token speaks of
	ConsentUnverifiable   = "unverifiable" // whose login it is could not be told for too long
)

// ConsentFailed says that a consent flow came to nothing. The link, if it had a
// token before, is as it was.
type ConsentFailed struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	Consent    uint64 `json:"consent,omitempty"`
	// Reason is one of the words above, or a newer one: programs take what they do
	// not know for a failure like any other.
	Reason string `json:"reason"`
}

// LinkRecovered withdraws an earlier prompt: the link works again without the user.
type LinkRecovered struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation"`
	Consent    uint64 `json:"consent"`
	From       string `json:"from"` // the state it came back from: uncertain, consent_required …
}

// TokenRejected says that freshly issued tokens are refused, so refreshing has
// stopped: either the API does not accept what the provider issues, or two
// clients of one login kill each other's token (R19).
type TokenRejected struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation"`
	Reason     string `json:"reason"` // refused_fresh, foreign_kills
	// Count is how many rotations or kills were seen within Window seconds.
	Count  uint64 `json:"count,omitempty"`
	Window uint64 `json:"window_seconds,omitempty"`
}

// CredentialsRequired says that a link whose credential lives only in a session
// has no session that answers (R18).
type CredentialsRequired struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation"`
	Reason     string `json:"reason"` // no_answer, refused
}

// AppSuspended says that the provider refuses our own registration, so no link
// of App is refreshed until an operator has seen to it. Address is the link
// whose attempt was told so: an app has no outbox of its own.
type AppSuspended struct {
	Address
	App    string `json:"app"`
	Reason string `json:"reason"` // invalid_client, unauthorized_client …
}

// AppResumed says that the registration works again. Address is the link whose
// attempt showed it.
type AppResumed struct {
	Address
	App string `json:"app"`
	// SuspendedAt is when the suspension began.
	SuspendedAt *time.Time `json:"suspended_at,omitempty"`
}

// expiry is when the prompt says nothing any more: its expirytime.
func (d ConsentExpiring) expiry() time.Time { return d.EndsAt }
