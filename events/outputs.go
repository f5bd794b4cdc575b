package events

import "time"

// Cause says what made a new generation.
type Cause string

// The causes.
const (
	CauseRefresh   Cause = "refresh"   // somebody reported the old bearer
	CauseRenewal   Cause = "renewal"   // a clock came near its end
	CauseReconsent Cause = "reconsent" // the user consented again
	CauseCandidate Cause = "candidate" // a token kept from a second success was promoted
	CauseImport    Cause = "import"    // an operator brought it
)

// Comparison is the verdict on who logged in, against who had before.
type Comparison string

// The verdicts.
const (
	ComparisonSame      Comparison = "same"
	ComparisonDifferent Comparison = "different"
	ComparisonUnknown   Comparison = "unknown" // no subject to compare, or one of another client registration
)

// Why the accounts that a consent reaches could not be read, in AccountsUnknown.
// What was gained and lost is then not known either, and left out.
const (
	AccountsUnreachable = "unreachable" // no answer in time, or the provider's own trouble
	AccountsRefused     = "refused"     // the endpoint does not accept the new bearer
	AccountsMalformed   = "malformed"   // an answer in which no account ids were found
	AccountsTooMany     = "too_many"    // more than a link's record can hold
)

// LinkCreated says that a link exists and has its first token.
type LinkCreated struct {
	Address
	Nickname         string     `json:"nickname,omitempty"`
	Generation       uint64     `json:"generation"`
	Consent          uint64     `json:"consent"`
	Cause            Cause      `json:"cause"`
	Scopes           []string   `json:"scopes,omitempty"`
	Accounts         []string   `json:"accounts,omitempty"`
	ExpiresAt        *time.Time `json:"expires_at,omitempty"`
	RefreshExpiresAt *time.Time `json:"refresh_expires_at,omitempty"`
	ConsentExpiresAt *time.Time `json:"consent_expires_at,omitempty"`
	// AccountsUnknown is why Accounts is not known, where it was to be read.
	AccountsUnknown string `json:"accounts_unknown,omitempty"`
	// Requested is the link that the consent flow was begun for, where that is another.
	Requested *Address `json:"requested,omitempty"`
	// Supersedes is the link that this one took the login over from: the user of
	// that link has lost it (R12).
	Supersedes *Address `json:"supersedes,omitempty"`
}

// TokenRotated says that a new generation is served. Whoever caches the bearer
// fetches it anew; with PreviousStillValid there is no hurry, without it every
// cached copy is dead already.
type TokenRotated struct {
	Address
	Generation         uint64 `json:"generation"`
	PreviousGeneration uint64 `json:"previous_generation"`
	Consent            uint64 `json:"consent"`
	Cause              Cause  `json:"cause"`
	// The clocks are left out where the provider does not tell.
	ExpiresAt          *time.Time `json:"expires_at,omitempty"`
	RefreshExpiresAt   *time.Time `json:"refresh_expires_at,omitempty"`
	ConsentExpiresAt   *time.Time `json:"consent_expires_at,omitempty"`
	PreviousStillValid bool       `json:"previous_still_valid"`
	// Scopes is what is granted now; the lists below say what changed.
	Scopes         []string   `json:"scopes,omitempty"`
	ScopesGained   []string   `json:"scopes_gained,omitempty"`
	ScopesLost     []string   `json:"scopes_lost,omitempty"`
	AccountsGained []string   `json:"accounts_gained,omitempty"`
	AccountsLost   []string   `json:"accounts_lost,omitempty"`
	ClaimsChanged  []string   `json:"claims_changed,omitempty"` // names of claims, never values
	Comparison     Comparison `json:"comparison"`
	// AccountsUnknown is why the accounts could not be compared.
	AccountsUnknown string `json:"accounts_unknown,omitempty"`
	// Requested is the link that the consent flow was begun for, where that is
	// another: its user came back with this link's login.
	Requested *Address `json:"requested,omitempty"`
	// Supersedes is as in LinkCreated: a link that exists can take a login over too.
	Supersedes *Address `json:"supersedes,omitempty"`
}

// ReplacedReason says why a link no longer holds its login.
type ReplacedReason string

// The reasons of a replacement.
const (
	ReplacedDifferentLogin ReplacedReason = "different_login" // the reconsent came from another login
	ReplacedOtherOwner     ReplacedReason = "other_owner"     // another user linked the same login
	ReplacedSameLogin      ReplacedReason = "same_login"      // its own user has linked the same login elsewhere
)

// SameCustomer compares the persons behind two logins where the provider can
// tell (R26). Only the verdict is published.
type SameCustomer string

// The verdicts on the customer.
const (
	CustomerSame    SameCustomer = "true"
	CustomerOther   SameCustomer = "false"
	CustomerUnknown SameCustomer = "unknown"
)

// LinkReplaced says that Address has lost its login, or its place, to
// Replacement. No personal data: the subjects are HMACs under a key that never
// leaves the workers, good for comparing and for nothing else.
//
// Where the login went to another user (ReplacedOtherOwner) the event speaks to the
// one who lost it: Replacement by its id is all that it says of the other user's
// link; the differences, the replacement's subject among them, stay out.
type LinkReplaced struct {
	Address
	Nickname               string         `json:"nickname,omitempty"`
	Replacement            Address        `json:"replacement"`
	Reason                 ReplacedReason `json:"reason"`
	Generation             uint64         `json:"generation,omitempty"`
	Consent                uint64         `json:"consent,omitempty"`
	SubjectHMAC            string         `json:"subject_hmac,omitempty"`
	ReplacementSubjectHMAC string         `json:"replacement_subject_hmac,omitempty"`
	ScopesGained           []string       `json:"scopes_gained,omitempty"`
	ScopesLost             []string       `json:"scopes_lost,omitempty"`
	AccountsGained         []string       `json:"accounts_gained,omitempty"`
	AccountsLost           []string       `json:"accounts_lost,omitempty"`
	SameCustomer           SameCustomer   `json:"same_customer"`
}

// LinkReplacementHeld says that another login consented and a decision is
// awaited: LinkReplacementDecided with this Consent, before HeldUntil.
type LinkReplacementHeld struct {
	Address
	Nickname string `json:"nickname,omitempty"`
	// Replacement is the link that has the new login already, where there is one.
	Replacement            *Address       `json:"replacement,omitempty"`
	Reason                 ReplacedReason `json:"reason"`
	Generation             uint64         `json:"generation,omitempty"`
	Consent                uint64         `json:"consent"`
	SubjectHMAC            string         `json:"subject_hmac,omitempty"`
	ReplacementSubjectHMAC string         `json:"replacement_subject_hmac,omitempty"`
	ScopesGained           []string       `json:"scopes_gained,omitempty"`
	ScopesLost             []string       `json:"scopes_lost,omitempty"`
	AccountsGained         []string       `json:"accounts_gained,omitempty"`
	AccountsLost           []string       `json:"accounts_lost,omitempty"`
	SameCustomer           SameCustomer   `json:"same_customer"`
	HeldUntil              time.Time      `json:"held_until"`
}

// LinkRevoked says that a link was logged out. AtProvider tells whether the
// provider confirmed the revocation (RFC 7009); our copy is gone either way.
type LinkRevoked struct {
	Address
	Generation uint64 `json:"generation,omitempty"`
	Consent    uint64 `json:"consent,omitempty"`
	Reason     string `json:"reason"` // logout, user_logout, operator
	AtProvider bool   `json:"at_provider"`
}

// LinkQuarantined says that a provider's answer must not be used: it was about
// somebody else, or not signed by whom it claims. It was kept, sealed.
type LinkQuarantined struct {
	Address
	Nickname   string `json:"nickname,omitempty"`
	Generation uint64 `json:"generation"`
	Reason     string `json:"reason"` // subject_changed, signature, issuer, audience …
}

// expiry is when no decision is awaited any more: the event's expirytime.
func (d LinkReplacementHeld) expiry() time.Time { return d.HeldUntil }
