package inbox

import "context"

// Slot is the permission to work under which a message is handled. Both methods
// are called by the handler's goroutine only.
type Slot interface {
	// Release gives the slot back. It answers false, and the slot is kept, where
	// too many handlers wait already or the slot is not held.
	Release() bool
	// Retake waits until the slot is held again.
	Retake()
}

type slotKey struct{}

// WithSlot returns the context for a handler that works under slot.
func WithSlot(ctx context.Context, slot Slot) context.Context {
	return context.WithValue(ctx, slotKey{}, slot)
}

// Waiting calls wait without the handler's slot, and returns with the slot held
// again. Whoever waits for something that others do (a lock held elsewhere, a
// republished event) waits in here: otherwise a storm on a few slow links would
// fill every slot with waiters. Without a slot in ctx it just calls wait.
//
// The message stays the handler's own all the time: its heartbeats go on.
func Waiting(ctx context.Context, wait func()) {
	if slot, ok := ctx.Value(slotKey{}).(Slot); ok && slot.Release() {
		defer slot.Retake()
	}
	wait()
}
