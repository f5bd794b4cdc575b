package links

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// Version is the layout of the record that this code writes. Layout 1 had no
// reconsent: no exchange, no hold, no order of consents.
const Version = 2

// Bounds of the lists in a record. The record is read and written on every
// refresh, so nothing in it may grow with a link's age.
const (
	maxHistory  = 20
	maxConsents = 20
	maxAttempts = 8
	maxKept     = 4
)

// Attempt is one presentation of a credential to the provider, listed before it
// is made. It belongs to the consent and generation of the record that lists it.
type Attempt struct {
	// ID is a ULID of its own for every attempt.
	ID string `json:"id"`
	// Worker and At tell an operator who and when by that worker's clock. Nothing is decided on either.
	Worker string    `json:"worker"`
	At     time.Time `json:"at"`
	// Last marks the one presentation that last_chance allows.
	Last bool `json:"last,omitzero"`
	// Grant is what is presented; empty: the refresh token.
	Grant GrantType `json:"grant,omitzero"`
}

// Kept is a sealed answer that is not the current token set.
type Kept struct {
	Kind       KeptKind  `json:"kind"`
	Attempt    string    `json:"attempt"`
	Consent    uint64    `json:"consent"`
	Generation uint64    `json:"generation"`
	At         time.Time `json:"at"`
	Sealed     []byte    `json:"sealed,omitzero"`
}

// KeptKind says why an answer is kept aside.
type KeptKind string

// The kinds of kept answers.
const (
	// KeptPending waits for verification (Unverified).
	KeptPending KeptKind = "pending"
	// KeptCandidate is a second success of one generation: tried when the current grant turns out dead.
	KeptCandidate KeptKind = "candidate"
	// KeptLate lost to a newer consent or a logout: never promoted.
	KeptLate KeptKind = "late"
	// KeptHostile failed verification: evidence.
	KeptHostile KeptKind = "hostile"
)

// Consent records what a user granted when.
type Consent struct {
	Number   uint64    `json:"number"`
	At       time.Time `json:"at"`
	Cause    string    `json:"cause"`
	Event    string    `json:"event,omitzero"`
	Scopes   []string  `json:"scopes,omitzero"`
	Accounts []string  `json:"accounts,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	// Flow is the consent's own id; empty for one that was imported.
	Flow string `json:"flow,omitzero"`
}

// Change is one line of a link's bounded history.
type Change struct {
	At         time.Time `json:"at"`
	What       string    `json:"what"`
	Generation uint64    `json:"generation"`
	Consent    uint64    `json:"consent"`
	Attempt    string    `json:"attempt,omitzero"`
}

// Link is the record of one link. It is a value: transitions return another one
// and never change what they were called on.
type Link struct {
	Version int `json:"v"`
	events.Address
	User     string `json:"user"`
	Nickname string `json:"nickname,omitzero"`
	Status   Status `json:"status"`
	// Generation counts committed token sets, from 1. Consent is the number of the
	// consent that they come from. Both are 0 until the link's first consent is complete.
	Generation uint64 `json:"generation"`
	Consent    uint64 `json:"consent"`
	// Consented counts completed consents, those included that wait for a decision.
	Consented uint64 `json:"consented,omitzero"`
	// ConsentOrder is the place of Consent among all consents to this login and others:
	// the store's own time of the write before its code was presented.
	ConsentOrder time.Time `json:"consent_order,omitzero"`
	// MadeAt is the store's own time of the record's first write. It is kept only while
	// ConsentOrder is zero, and says then which logouts are older than the link.
	MadeAt time.Time `json:"made_at,omitzero"`
	// Subject is the HMAC of (iss, client_id, sub); empty when the provider names nobody.
	Subject string `json:"subject,omitzero"`
	// ClientID is the registration that the grant was issued to.
	ClientID string `json:"client_id,omitzero"`
	// Customer is the HMAC of the person behind the login, where the provider tells.
	Customer string   `json:"customer,omitzero"`
	Scopes   []string `json:"scopes,omitzero"`
	Accounts []string `json:"accounts,omitzero"`
	// AccountsUnknown says why Accounts is not known, where it was to be.
	AccountsUnknown string `json:"accounts_unknown,omitzero"`
	// Successor is the link that has this one's place, or its login.
	Successor *events.Address `json:"successor,omitzero"`
	// The clocks. Zero means unknown, which is not the same as never.
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	ConsentExpiresAt time.Time `json:"consent_expires_at,omitzero"`
	// IssuedAt is when the current generation was asked for, by the clock of the worker that asked.
	IssuedAt time.Time `json:"issued_at,omitzero"`
	// CommittedAt is the store's own time of the write that made the current generation.
	CommittedAt time.Time `json:"committed_at,omitzero"`
	// Fingerprint names the current bearer.
	Fingerprint string `json:"fingerprint,omitzero"`
	// Refused: a 401 was reported for the current generation.
	Refused bool `json:"refused,omitzero"`
	// Refreshable: the sealed part holds a refresh token.
	Refreshable bool `json:"refreshable,omitzero"`
	// APIKey: the sealed part holds an API key.
	APIKey bool `json:"api_key,omitzero"`
	// Spent are the grants of the provider's chain that turned out dead.
	Spent []GrantType `json:"spent,omitzero"`
	// InDoubt: one of them was called dead while so many links' grants were that the
	// provider's word was in doubt.
	InDoubt bool `json:"in_doubt,omitzero"`
	// Awaiting: nobody answers for the session that has the credentials.
	Awaiting *Awaiting `json:"awaiting,omitzero"`
	// Doomed is the reason of a verdict that is held.
	Doomed string `json:"doomed,omitzero"`
	// FreshRefusals are when bearers of our own making were refused before their time.
	FreshRefusals []time.Time `json:"fresh_refusals,omitzero"`
	// Stop: refreshing was stopped, and no bearer has lived since.
	Stop *Stop `json:"stop,omitzero"`

	// Attempts are the presentations of this consent and generation that were not cleared, oldest first.
	Attempts []Attempt `json:"attempts,omitzero"`
	// FirstIntentAt is the store's own time of this generation's first intent; zero means unknown.
	FirstIntentAt time.Time `json:"first_intent_at,omitzero"`
	// AnswersUntil: in Uncertain, until when an answer may still come, by the store's clock.
	AnswersUntil time.Time `json:"answers_until,omitzero"`
	// Failures counts presentations in a row that did not reach the provider or were put off by it.
	Failures int `json:"failures,omitzero"`

	// Exchange is the open exchange of a code; Hold a replacement that waits for a decision.
	Exchange *Exchange `json:"exchange,omitzero"`
	Hold     *Hold     `json:"hold,omitzero"`
	// Refusals are the consents that are not to be given to the link any more.
	Refusals []Refusal `json:"refusals,omitzero"`

	// Due is when the link's tokens want attention next, DueFor why. DueNumber is the
	// version of everything that Alarm looks at.
	Due       time.Time `json:"due,omitzero"`
	DueFor    DueFor    `json:"due_for,omitzero"`
	DueNumber uint64    `json:"due_no,omitzero"`

	// Prompt is when the user is to be asked to consent again, before a clock ends.
	Prompt *Prompt `json:"prompt,omitzero"`

	// EventNumber counts the link's events; Outbox holds those not known to be stored.
	EventNumber uint64  `json:"event_no"`
	Outbox      []Entry `json:"outbox,omitzero"`

	Kept     []Kept    `json:"kept,omitzero"`
	Consents []Consent `json:"consents,omitzero"`
	History  []Change  `json:"history,omitzero"`

	// Sealed is the token set of the current consent and generation.
	Sealed []byte `json:"sealed,omitzero"`
}

// ErrRecord means that a stored record cannot be read by this version.
var ErrRecord = errors.New("unreadable link record")

// Encode returns the stored form of a link.
func (l Link) Encode() ([]byte, error) { return json.Marshal(l) }

// Decode reads a stored link. It refuses a newer layout than it knows: an old
// worker must not write back a record with fields missing.
func Decode(data []byte) (Link, error) {
	var l Link
	if err := json.Unmarshal(data, &l); err != nil {
		return Link{}, fmt.Errorf("%w: not JSON of a link", ErrRecord)
	}
	if l.Version < 1 || l.Version > Version {
		return Link{}, fmt.Errorf("%w: layout %d, this worker knows %d: run the newer version", ErrRecord, l.Version, Version)
	}
	l.Version = Version // what an older layout lacks is zero, and means what it meant
	return l, nil
}

// Lists says whether an attempt is listed as one of the current consent and generation.
func (l Link) Lists(attempt string) bool {
	return slices.ContainsFunc(l.Attempts, func(a Attempt) bool { return a.ID == attempt })
}

// Current is the newest listed attempt.
func (l Link) Current() (Attempt, bool) {
	if len(l.Attempts) == 0 {
		return Attempt{}, false
	}
	return l.Attempts[len(l.Attempts)-1], true
}

// Committed says whether this attempt's answer became a generation already.
func (l Link) Committed(attempt string) bool {
	return slices.ContainsFunc(l.History, func(c Change) bool { return c.Attempt == attempt && c.What == changeCommit })
}

// Observed fills in what only a read can tell: the store's own times of the first intent,
// of the generation and of the record's making. The write itself cannot know its own, each
// later one keeps it. Stores call it on every read with the time at which the revision was
// stored.
func (l Link) Observed(storedAt time.Time) Link {
	if l.Generation > 0 && l.CommittedAt.IsZero() {
		l.CommittedAt = storedAt
	}
	if l.ConsentOrder.IsZero() && l.MadeAt.IsZero() {
		l.MadeAt = storedAt
	}
	if len(l.Attempts) > 0 && l.FirstIntentAt.IsZero() && l.Status == Refreshing {
		l.FirstIntentAt = storedAt
	}
	return l
}

// BearerAlive says whether the current bearer may still work, as far as anybody knows.
func (l Link) BearerAlive(now time.Time) bool {
	return !l.Refused && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

// Public is the link without its sealed parts, for showing.
func (l Link) Public() Link {
	l.Sealed = nil
	l.Kept = slices.Clone(l.Kept)
	for i := range l.Kept {
		l.Kept[i].Sealed = nil
	}
	return l
}

// keep adds a kept answer, once per attempt; the oldest goes when there are too many.
func (l Link) keep(k Kept) Link {
	if slices.ContainsFunc(l.Kept, func(o Kept) bool { return o.Attempt == k.Attempt && o.Kind == k.Kind }) {
		return l
	}
	l.Kept = append(slices.Clone(l.Kept), k)
	if len(l.Kept) > maxKept {
		oldest := slices.IndexFunc(l.Kept, func(o Kept) bool { return o.Kind != KeptPending })
		oldest = max(oldest, 0) // what is pending goes last: it waits to become the current answer
		l.Kept = slices.Delete(l.Kept, oldest, oldest+1)
	}
	return l
}

// Drop removes the kept answers of one kind.
func (l Link) Drop(kind KeptKind) Link {
	l.Kept = slices.DeleteFunc(slices.Clone(l.Kept), func(k Kept) bool { return k.Kind == kind })
	return l
}

// KeptOf returns the newest kept answer of a kind.
func (l Link) KeptOf(kind KeptKind) (Kept, bool) {
	for i := len(l.Kept) - 1; i >= 0; i-- {
		if l.Kept[i].Kind == kind {
			return l.Kept[i], true
		}
	}
	return Kept{}, false
}

const (
	changeCreate   = "created"
	changeCommit   = "committed"
	changeVerdict  = "verdict"
	changeDoubt    = "restored"
	changeConsent  = "consented"
	changeFailed   = "consent_failed"
	changeLost     = "login_lost"
	changeHeld     = "held"
	changeDropped  = "hold_dropped"
	changeRevoked  = "revoked"
	changePrompt   = "prompted"
	changeSpent    = "grant_spent"
	changeRejected = "token_rejected"
)

func (l Link) remember(now time.Time, what, attempt string) Link {
	l.History = append(slices.Clone(l.History), Change{At: now, What: what, Generation: l.Generation, Consent: l.Consent, Attempt: attempt})
	if extra := len(l.History) - maxHistory; extra > 0 {
		l.History = l.History[extra:]
	}
	return l
}
