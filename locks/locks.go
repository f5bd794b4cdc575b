package locks

import (
	"context"
	"errors"
)

var (
	// ErrHeld: somebody else, or another lease of this process, has the lock.
	ErrHeld = errors.New("lock is held")
	// ErrUnavailable: the lock server could not be asked, or did not say. The
	// caller goes on without a lock, under the intent alone.
	ErrUnavailable = errors.New("lock server is not available")
)

// Locker takes locks. Implementations are safe for concurrent use.
type Locker interface {
	// Acquire tries once to take the lock of key, without waiting for its
	// holder. It is not reentrant: a second Acquire of one process finds the
	// lock held like anyone else's. Errors: ErrHeld; ErrUnavailable, with the
	// cause wrapped; ctx.Err() when ctx ended first (a cancelled call may return
	// only with the time-out of one exchange). After the last two the lock may
	// have been taken all the same; it is then given back in the background.
	Acquire(ctx context.Context, key string) (Lease, error)
}

// Lease is a lock that is held and renews itself. It is safe for concurrent use.
type Lease interface {
	// Release ends the renewals and gives the lock back. It returns nil once the
	// key does not carry this lease's token any more, which includes a lease
	// that was lost; ErrUnavailable or ctx.Err() when that is not known: the
	// lock is then given back in the background, or runs out within its TTL. It
	// may be called again. Pass a context that outlives the work: a Release that
	// is cut makes others wait for the TTL.
	Release(ctx context.Context) error
	// Lost is closed when the lease does not hold the lock any more, as far as
	// can be known. Nothing must be cut short for it. It stays open after Release.
	Lost() <-chan struct{}
}
