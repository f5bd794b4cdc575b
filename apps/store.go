package apps

import (
	"context"
	"time"
)

// Stored is an app at a revision of its store.
type Stored struct {
	App      App
	Revision uint64
	StoredAt time.Time
}

// Store keeps apps. All methods are safe for concurrent use and end with their
// context. A write that returned nil is durable. Errors are those of links.Store:
// ErrNotFound, ErrExists, ErrConflict, ErrUnknown; an app that the store has and
// this version cannot read is ErrRecord.
type Store interface {
	// Get returns an app from where writes are decided.
	Get(ctx context.Context, name string) (Stored, error)
	// Create stores a new app under its name and returns its revision.
	Create(ctx context.Context, a App) (uint64, error)
	// Update replaces the app if it is still at the revision. A store whose reply was
	// lost repeats the identical write until it knows whether it took place.
	Update(ctx context.Context, a App, revision uint64) (uint64, error)
	// Watch calls changed for each app that is stored and then for each write, one at
	// a time and those of an app in order; a write may be left out where a later one
	// has overtaken it. It goes on across lost connections, and returns when ctx ends.
	Watch(ctx context.Context, changed func(Stored)) error
}
