package api

import (
	"cmp"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// VerbList asks for a user's links.
const VerbList = "list"

// List asks for all links of one user in the tenant, the ended ones included.
type List struct {
	User string `json:"user"`
}

// Validate names the field that no worker would take, in an *Error.
func (r List) Validate() error { return text("user", r.User, maxText) }

// Listed is what a user has linked, by provider and then by link (see Sort).
type Listed struct {
	Links []LinkView `json:"links"`
}

// LinkView is a link as its application may see it: no token, no subject in the clear.
type LinkView struct {
	events.Address
	Nickname string `json:"nickname,omitempty"`
	// Status is a state of the link, such as active or consent_required.
	Status     string `json:"status"`
	Generation uint64 `json:"generation"`
	Consent    uint64 `json:"consent"`
	// SubjectHMAC tells logins apart and says nothing else about them.
	SubjectHMAC string   `json:"subject_hmac,omitempty"`
	Accounts    []string `json:"accounts,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	// The clocks; zero where the provider does not tell.
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	ConsentExpiresAt time.Time `json:"consent_expires_at,omitzero"`
	// Held: another login consented in this link's place, and somebody is to decide
	// on HeldConsent, the consent that link-replacement-decided names, before HeldUntil.
	Held        bool      `json:"held"`
	HeldConsent uint64    `json:"held_consent,omitempty"`
	HeldUntil   time.Time `json:"held_until,omitzero"`
	// Successor is the link that has this one's place, or its login.
	Successor *events.Address `json:"successor,omitempty"`
}

// Sort puts the links into the order of a reply.
func (l Listed) Sort() {
	slices.SortFunc(l.Links, func(a, b LinkView) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Link, b.Link))
	})
}
