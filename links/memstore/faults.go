package memstore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
)

// Op names a method that a Fault can hit.
type Op string

// The methods that can be hit.
const (
	Get     Op = "get"
	Latest  Op = "latest"
	Create  Op = "create"
	Update  Op = "update"
	Owner   Op = "owner"
	Take    Op = "take"
	Release Op = "release"
)

// Fault is what happens to one call of a Store.
type Fault = FaultOf[links.Link]

// FlowFault is what happens to one call of a Flows.
type FlowFault = FaultOf[consents.Flow]

// FaultOf is what happens to one call, once. Its zero value but for Op fails a
// read or write with links.ErrUnknown, and a write does not take place.
type FaultOf[T any] struct {
	// Op is the method to hit.
	Op Op
	// Match chooses the call by what it writes, or by the address or key alone for
	// a read; nil takes the next one. A call to the index shows a link with the
	// subject and the address that it names, Owner one with the tenant alone.
	Match func(T) bool
	// Err is the answer; nil means links.ErrUnknown.
	Err error
	// Applied lets a call take place, and only its answer is replaced by Err. A
	// write that its revision refuses is answered as without a fault.
	Applied bool
	// Reached, if set, is closed when the call has come.
	Reached chan<- struct{}
	// Hold, if set, is waited for before anything else happens. A call whose
	// context ends meanwhile has done nothing, but answers ErrUnknown.
	Hold <-chan struct{}
	// Pass lets the call go on as usual after Hold: a slow call rather than a failing one.
	Pass bool
}

// Inject adds faults. Each is used once, by the first call that it matches;
// several that match are used in the order in which they were injected.
func (s *Store) Inject(f ...Fault) { s.faults.add(f) }

// Inject adds faults, as Store.Inject does.
func (s *Flows) Inject(f ...FlowFault) { s.faults.add(f) }

// Pending says how many injected faults have not been used yet.
func (s *Store) Pending() int { return s.faults.pending() }

// Pending says how many injected faults have not been used yet.
func (s *Flows) Pending() int { return s.faults.pending() }

type faults[T any] struct {
	mu    sync.Mutex
	queue []FaultOf[T]
}

func (q *faults[T]) add(f []FaultOf[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, f...)
}

func (q *faults[T]) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// take removes and returns the fault for a call, nil if there is none.
func (q *faults[T]) take(op Op, what T) *FaultOf[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.queue, func(f FaultOf[T]) bool { return f.Op == op && (f.Match == nil || f.Match(what)) })
	if i < 0 {
		return nil
	}
	f := q.queue[i]
	q.queue = slices.Delete(q.queue, i, i+1)
	return &f
}

// around carries out a call with the fault that awaits it, if any.
func (q *faults[T]) around(ctx context.Context, op Op, what T, effect func() error) error {
	f := q.take(op, what)
	if f != nil {
		if err := f.before(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := effect()
	if err == nil && f != nil && f.Applied {
		return f.answer()
	}
	return err
}

// before is the part of a fault that precedes the effect. A nil error lets the call go on.
func (f *FaultOf[T]) before(ctx context.Context) error {
	if f.Reached != nil {
		close(f.Reached)
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", links.ErrUnknown, context.Cause(ctx))
		}
	}
	if f.Pass || f.Applied {
		return nil
	}
	return f.answer()
}

func (f *FaultOf[T]) answer() error {
	if f.Err == nil {
		return links.ErrUnknown
	}
	return f.Err
}
