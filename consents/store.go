package consents

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Key is where the flow of a state, or of a staging id, is kept. The state itself
// stays with the browser that it was given to.
func Key(state string) string {
	sum := sha256.Sum256([]byte(state))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CodeOf names a code, or the error that came in its place, without revealing it.
func CodeOf(code, err string) string {
	sum := sha256.Sum256([]byte(code + "\x00" + err))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Stored is a flow at a revision of its store.
type Stored struct {
	Flow     Flow
	Revision uint64
	// StoredAt is the store's own time of the revision.
	StoredAt time.Time
}

// Store keeps flows. All methods are safe for concurrent use and end with their
// context. A write that returned nil is durable and is kept for Flow.Retention,
// counted anew from each write. Errors are those of links.Store: ErrNotFound,
// ErrExists, ErrConflict, ErrUnknown.
type Store interface {
	// Get returns a flow from where writes are decided. The returned flow has been
	// told the store's own time of its revision (Flow.Observed).
	Get(ctx context.Context, key string) (Stored, error)
	// Create stores a new flow under its Key and returns its revision.
	Create(ctx context.Context, f Flow) (uint64, error)
	// Update replaces the flow if it is still at the revision. A store whose reply
	// was lost repeats the identical write until it knows whether it took place.
	Update(ctx context.Context, f Flow, revision uint64) (uint64, error)
}

// Scanner walks the flows of a store.
type Scanner interface {
	// List calls yield with every flow that is kept, as it stands where writes are
	// decided, in no order, until yield returns false. It passes over flows that cannot be
	// read, and ends with an ErrRecord then.
	List(ctx context.Context, yield func(Stored) bool) error
}
