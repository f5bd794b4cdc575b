package links

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
)

// What a store answers.
var (
	// ErrNotFound: there is no such link.
	ErrNotFound = errors.New("no such link")
	// ErrConflict: the record is not at the revision that was named; read again.
	ErrConflict = errors.New("link was changed by somebody else")
	// ErrExists: Create met a link of that address.
	ErrExists = errors.New("link exists already")
	// ErrUnknown: the store did not say whether the write took place. Read before you believe either.
	ErrUnknown = errors.New("outcome of the write is unknown")
)

// Unreadable is what a list passed over: records of a newer version, or damaged ones.
type Unreadable struct {
	Count int
	// First is why one of them cannot be read, and says which.
	First error
}

// Note counts the record under a key.
func (u *Unreadable) Note(key string, err error) {
	if u.Count++; u.Count == 1 {
		u.First = fmt.Errorf("%s: %w", key, err)
	}
}

// Err is nil if every record could be read.
func (u *Unreadable) Err() error {
	if u.Count == 0 {
		return nil
	}
	return u
}

func (u *Unreadable) Error() string {
	return fmt.Sprintf("records that this version cannot read: %d, among them %v; run the version that wrote them, or restore them", u.Count, u.First)
}

func (u *Unreadable) Unwrap() error { return u.First }

// Stored is a link at a revision of its store.
type Stored struct {
	Link     Link
	Revision uint64
	// StoredAt is the store's own time of the revision.
	StoredAt time.Time
}

// Store keeps links. All methods are safe for concurrent use and end with their
// context. A write that returned nil is durable.
type Store interface {
	// Get returns a link as of some recent moment: a follower may answer it. What is
	// decided on it is safe because Update names the revision. The returned link has
	// been told the store's own time of its revision (Link.Observed). ErrNotFound.
	Get(ctx context.Context, a events.Address) (Stored, error)
	// Latest is Get from whoever decides writes: for what must not be missed.
	Latest(ctx context.Context, a events.Address) (Stored, error)
	// Create stores a new link and returns its revision. ErrExists.
	Create(ctx context.Context, l Link) (uint64, error)
	// Update replaces the link if it is still at the revision: the compare-and-set on
	// which all of Regrant rests. A store whose reply was lost repeats the identical
	// write until it knows whether it took place; if ctx ends first: ErrUnknown.
	// ErrConflict.
	Update(ctx context.Context, l Link, revision uint64) (uint64, error)
}

// Scanner walks the links of a store.
type Scanner interface {
	// List calls yield with every link whose address matches the filter (empty fields
	// match all), in no order, until yield returns false. Records that cannot be read are
	// passed over, and hide no other: a list that is otherwise complete ends with an
	// *Unreadable, which is an ErrRecord.
	List(ctx context.Context, filter events.Address, yield func(Stored) bool) error
	// Watch calls changed with every link that is written from now on, until ctx ends.
	// It returns when the watch is in place.
	Watch(ctx context.Context, filter events.Address, changed func(Stored)) error
}

// Owner is the link that a login belongs to, at a revision of the index. The zero
// Address means nobody; the revision is then 0, or that of what a Release left.
type Owner struct {
	Address events.Address
	// Order is the place of the consent that took the login, among all; zero for an import.
	Order    time.Time
	Revision uint64
}

// Login is the name under which an Index keeps the owner of a login: `sub` counts
// within one provider and one client registration, of which the HMAC has the latter.
func Login(provider, subject string) string { return provider + "_" + subject }

// Everything is the name under which an Index keeps a user's last logout from all links:
// its Order is the time of the request, its Address the link at which it was asked for.
// No provider has an empty name, so that it is no login's.
func Everything(user string) string { return Login("", user) }

// Index finds links by what is not in their address.
type Index interface {
	// Owner returns the owner of a subject from whoever decides writes. Nobody is no error.
	Owner(ctx context.Context, tenant, subject string) (Owner, error)
	// Take makes by.Address the owner of a subject, whoever is, for a consent of
	// by.Order, if the entry is still at the revision that Owner gave. Of several that
	// take one revision, one does; taking what it owns already raises the revision. A
	// store whose reply was lost repeats the identical write until it knows that the
	// subject was taken or that it was refused; if ctx ends first: ErrUnknown.
	// ErrConflict.
	Take(ctx context.Context, tenant, subject string, by Owner) error
	// Release leaves a subject without an owner if addr still is.
	Release(ctx context.Context, tenant, subject string, addr events.Address) error
	// AddUser notes that a link belongs to a user, named by HMAC. Idempotent.
	AddUser(ctx context.Context, user string, addr events.Address) error
	// OfUser lists a user's links without a scan.
	OfUser(ctx context.Context, tenant, user string) ([]events.Address, error)
}
