package consents

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Version is the layout of a flow's record that this code writes.
const Version = 1

// Status is the state of a flow.
type Status string

// The states of a flow, in the order in which it goes through them.
const (
	// Pending: the user is on the way. The code, if it comes, was not presented.
	Pending Status = "pending"
	// Presented: the code may have been presented. It is never presented again.
	Presented Status = "presented"
	// Exchanged: the answer is in the flow, sealed.
	Exchanged Status = "exchanged"
	// Held: it is another login, and somebody is to decide.
	Held Status = "held"
	// Applied: the links know; nothing of the answer is left here.
	Applied Status = "applied"
	// Failed: it came to nothing, for Reason. An answer that comes after all may
	// still be applied where the reason is that the outcome was unknown.
	Failed Status = "failed"
)

// How long a flow's record is kept: an input that is replayed must find it spent,
// and inputs live for 30 days.
const (
	keepSpent   = 31 * 24 * time.Hour
	keepExpired = 24 * time.Hour // a pending flow beyond its end: to say expired instead of unknown
)

// Flow is the record of one consent flow. It is a value: transitions return
// another one.
type Flow struct {
	Version int `json:"v"`
	// Key is where the record is kept: Key(state), or Key of a staging id.
	Key string `json:"key"`
	// ID names the consent that this flow may become; it is the correlation id of
	// every event that comes of it.
	ID string `json:"id"`
	// Address is the link that the flow was begun for. New says that it did not exist.
	events.Address
	New bool `json:"new,omitzero"`
	// Reserved is the id of the link to be made should the login turn out to be another one.
	Reserved    string    `json:"reserved"`
	User        string    `json:"user"`
	Nickname    string    `json:"nickname,omitzero"`
	RedirectURI string    `json:"redirect_uri,omitzero"`
	Scopes      []string  `json:"scopes,omitzero"`
	BeganAt     time.Time `json:"began_at"`
	// ExpiresAt is when the provider's redirect must have come back.
	ExpiresAt time.Time `json:"expires_at"`

	Status Status `json:"status"`
	// Attempt is the one presentation of the code; Code names the code by its
	// hash, so that a repeated input can be told from another one.
	Attempt string `json:"attempt,omitzero"`
	Code    string `json:"code,omitzero"`
	// Order is the store's own time of the write that made the flow Presented: the
	// place of this consent among all others. Stores fill it in on reading.
	Order time.Time `json:"order,omitzero"`
	// Event is the id of the input that brought the code.
	Event string `json:"event,omitzero"`
	// Reason says why the flow failed.
	Reason string `json:"reason,omitzero"`

	// Ruling is what was decided on the answer. Found is what the answer said.
	Ruling  *Ruling `json:"ruling,omitzero"`
	Rulings uint64  `json:"rulings,omitzero"`
	Found   *Found  `json:"found,omitzero"`
	// Staged: the tokens were brought by whoever exchanged the code.
	Staged bool `json:"staged,omitzero"`
	// Late: the answer came when the flow had been given up.
	Late bool `json:"late,omitzero"`
	// Approved: a held flow whose replacement was agreed to.
	Approved bool `json:"approved,omitzero"`
	// Took are the links that lost the login when the flow was held: the link that is
	// made of it says whom it superseded.
	Took []events.Address `json:"took,omitzero"`
	// HeldUntil ends a hold.
	HeldUntil time.Time `json:"held_until,omitzero"`

	// Secrets are nonce and verifier, sealed; Answer is the provider's answer and,
	// once it was looked into, Tokens the token set. Each is sealed, and dropped when
	// it is not needed any more.
	Secrets []byte `json:"secrets,omitzero"`
	Answer  []byte `json:"answer,omitzero"`
	Tokens  []byte `json:"tokens,omitzero"`
}

// Found is what a verified answer brings, in the clear: whose login it is, and
// what it may be used for.
type Found struct {
	// Subject is the HMAC of (iss, client_id, sub); empty where the provider names nobody.
	Subject  string   `json:"subject,omitzero"`
	Accounts []string `json:"accounts,omitzero"`
	// AccountsUnknown says why Accounts is not known, where it was to be.
	AccountsUnknown string `json:"accounts_unknown,omitzero"`
	// Customer is an HMAC too; empty where the provider does not tell.
	Customer string `json:"customer,omitzero"`
	// Grant is what the answer says of itself. Its Sealed is not used here.
	Grant links.Grant `json:"grant"`
}

// Encode returns the stored form of a flow.
func (f Flow) Encode() ([]byte, error) { return json.Marshal(f) }

// ErrRecord means that a stored flow cannot be read by this version.
var ErrRecord = errors.New("unreadable record of a consent flow")

// Decode reads a stored flow, and refuses a newer layout than it knows.
func Decode(data []byte) (Flow, error) {
	var f Flow
	if err := json.Unmarshal(data, &f); err != nil {
		return Flow{}, fmt.Errorf("%w: not JSON of a flow", ErrRecord)
	}
	if f.Version != Version {
		return Flow{}, fmt.Errorf("%w: layout %d, this worker knows %d: run the newer version", ErrRecord, f.Version, Version)
	}
	return f, nil
}

// Observed fills in what only a read can tell: the place of this consent in the
// order of all. Stores call it on every read with the time at which the revision
// was stored.
func (f Flow) Observed(storedAt time.Time) Flow {
	if f.Order.IsZero() && f.Status != Pending {
		f.Order = storedAt
	}
	return f
}

// Retention is how long a store keeps the record after this write.
func (f Flow) Retention() time.Duration {
	switch {
	case f.Unused():
		return f.ExpiresAt.Sub(f.BeganAt) + keepExpired
	case f.Status == Held:
		return f.HeldUntil.Sub(f.BeganAt) + keepSpent
	default:
		return keepSpent
	}
}

// Unused says that no input has taken the flow up yet: it may expire.
func (f Flow) Unused() bool {
	return f.Status == Pending || (f.Staged && f.Status == Exchanged && f.Found == nil)
}

// Replacement is the link that is made should the login be another one.
func (f Flow) Replacement() events.Address {
	return events.Address{Tenant: f.Tenant, Provider: f.Provider, Link: f.Reserved}
}

// Concerns lists the links that a ruled flow has to do with.
func (f Flow) Concerns() []events.Address {
	all := []events.Address{f.Address}
	if f.Ruling == nil {
		return all
	}
	for _, a := range append([]events.Address{f.Ruling.Link}, f.Ruling.Displaced...) {
		if a != (events.Address{}) && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
