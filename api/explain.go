package api

import (
	"time"

	"github.com/regrant/regrant/events"
)

// VerbExplain asks what would become of an input (events.Subjects.APILink).
const VerbExplain = "explain"

// Explain asks what would become of an input about the link if it came again now. It
// holds of the event only what decides: a state and a code go by their hashes, which say
// whether they are spent and are good for nothing else.
type Explain struct {
	Type events.Name `json:"type"`
	// First is when the input was stored first, if it is to be replayed. Zero: it is new.
	First time.Time `json:"first,omitzero"`

	// Of token-expired.
	Generation  uint64        `json:"generation,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty"`
	Reason      events.Reason `json:"reason,omitempty"`

	// Of reconsent-completed: consents.Key of state or staging id, consents.CodeOf of the code.
	Flow   string `json:"flow,omitempty"`
	Staged bool   `json:"staged,omitempty"`
	Code   string `json:"code,omitempty"`
	Iss    string `json:"iss,omitempty"`
	User   string `json:"user,omitempty"`

	// Of link-replacement-decided.
	Consent  uint64          `json:"consent,omitempty"`
	Decision events.Decision `json:"decision,omitempty"`

	// Of logout-requested. Time is the event's own.
	Scope events.LogoutScope `json:"scope,omitempty"`
	Time  time.Time          `json:"time,omitzero"`
}

// Validate names the first field that no worker would take, in an *Error.
func (r Explain) Validate() error {
	switch r.Type {
	case events.NameTokenExpired:
		return when(r.Generation == 0 && r.Fingerprint == "" || len(r.Fingerprint) > maxText, "generation", "is missing, and so is the fingerprint")
	case events.NameReconsentCompleted:
		return first(text("flow", r.Flow, maxText), optional(r.Code, text("code", r.Code, maxText)),
			optional(r.Iss, text("iss", r.Iss, maxURI)), optional(r.User, text("user", r.User, maxText)))
	case events.NameLinkReplacementDecided:
		return when(r.Consent == 0, "consent", "is missing")
	case events.NameLogoutRequested:
		return when(r.Scope != events.LogoutLink && r.Scope != events.LogoutUser, "scope", "is neither link nor user")
	default:
		return invalid("type", "is not the name of an input")
	}
}

// Verdict says what becomes of an input.
type Verdict string

// The verdicts.
const (
	Nothing Verdict = "nothing" // it is settled and changes nothing
	Acts    Verdict = "acts"    // the link, or its consent, changes
	Waits   Verdict = "waits"   // something else comes first; it is decided after that
	Refused Verdict = "refused" // it becomes a dead letter
)

// Explanation is what would become of an input, by the link's record as it is.
type Explanation struct {
	Verdict Verdict `json:"verdict"`
	// Reason is a stable word, Sentence the same for people. Field is what a refusal is about.
	Reason   string `json:"reason"`
	Field    string `json:"field,omitempty"`
	Sentence string `json:"sentence"`
	// Calls: a provider would be asked.
	Calls bool `json:"calls,omitempty"`
}
