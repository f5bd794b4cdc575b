package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/regrant/regrant/events"
)

// Action is what was done.
type Action string

// What workers do.
const (
	TokenRead     Action = "token-read"     // a bearer was served, or refused: Outcome
	Decided       Action = "decided"        // a held replacement was approved or rejected
	Revoked       Action = "revoked"        // a link was logged out
	Recovered     Action = "recovered"      // an answer was finished for a dead worker
	ConsentBegun  Action = "consent-begun"  // a consent flow was begun
	TokensStaged  Action = "tokens-staged"  // a service handed over tokens that it had exchanged
	ConsentPassed Action = "consent-passed" // a consent was given to its link
)

// What operators do: the entry comes before the effect.
const (
	Imported     Action = "imported"
	RevokeAsked  Action = "revoke-asked"
	DecideAsked  Action = "decide-asked"
	Replayed     Action = "replayed"
	DeadRetried  Action = "dead-retried"
	DeadDropped  Action = "dead-dropped"
	KeysRotated  Action = "keys-rotated"
	Resealed     Action = "resealed"
	KeyDestroyed Action = "key-destroyed"
	Restored     Action = "restored"
	Provisioned  Action = "provisioned"
)

// Served is the Outcome of a bearer that was read; any other word is a refusal.
const Served = "served"

// Entry is one line of the audit. It is JSON, and never changed once written.
type Entry struct {
	// ID is a ULID, or follows from cause and action (DerivedID): written twice, an entry
	// is kept once.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Actor is who did it, as "worker:<id>" or "operator:<login>@<host>". It is what the
	// process says of itself: whom NATS let in, its own log knows.
	Actor  string `json:"actor"`
	Action Action `json:"action"`
	// Whom it concerns; empty where it is everybody.
	Tenant   string `json:"tenant,omitempty"`
	Provider string `json:"provider,omitempty"`
	Link     string `json:"link,omitempty"`
	// Cause is the id of the event, or of the run of a command, that led to it.
	Cause string `json:"cause,omitempty"`
	// Fingerprint names a bearer, as in events.
	Fingerprint string `json:"fingerprint,omitempty"`
	Generation  uint64 `json:"generation,omitempty"`
	// Outcome is a stable word, such as "served" or "not_found".
	Outcome string `json:"outcome,omitempty"`
	// Details are further words for people, such as the filter of a replay.
	Details map[string]string `json:"details,omitempty"`
}

// Log keeps entries. Append returns nil once the entry is durable; the same entry may
// be appended again. Implementations are safe for concurrent use.
type Log interface {
	Append(ctx context.Context, e Entry) error
}

// About names the link that an entry is about.
func (e Entry) About(a events.Address) Entry {
	e.Tenant, e.Provider, e.Link = a.Tenant, a.Provider, a.Link
	return e
}

var actionForm = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)

// Validate reports an entry that says too little, or that names what cannot be named.
func (e Entry) Validate() error {
	switch {
	case e.ID == "" || e.At.IsZero() || e.Actor == "":
		return fmt.Errorf("audit entry %q lacks id, time or actor", e.Action)
	case !actionForm.MatchString(string(e.Action)):
		return fmt.Errorf("audit action %q does not match [a-z][a-z-]*", e.Action)
	case e.Tenant != "" && !events.ValidProvider(e.Tenant), e.Provider != "" && !events.ValidProvider(e.Provider), e.Link != "" && !events.ValidLink(e.Link):
		return fmt.Errorf("audit entry %q names no tenant, provider or link that could be", e.Action)
	}
	return nil
}

// Encode is the entry as it is stored.
func (e Entry) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(e)
}
