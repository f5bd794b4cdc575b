package lifetime

import (
	"context"
	"sync"

	"github.com/regrant/regrant/locks"
)

// locker is a lock server that never fails.
type locker struct {
	mu   sync.Mutex
	held map[string]*lease
}

func newLocker() *locker { return &locker{held: map[string]*lease{}} }

func (l *locker) Acquire(ctx context.Context, key string) (locks.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] != nil {
		return nil, locks.ErrHeld
	}
	l.held[key] = &lease{of: l, key: key}
	return l.held[key], nil
}

type lease struct {
	of  *locker
	key string
}

func (l *lease) Release(context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.held[l.key] == l {
		delete(l.of.held, l.key)
	}
	return nil
}

func (*lease) Lost() <-chan struct{} { return nil }
