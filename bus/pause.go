package bus

import (
	"context"
	"errors"
	"fmt"
)

// ErrStopped means that a consumer was stopped.
var ErrStopped = errors.New("the consumer is stopped")

// Pause stops pulling until Resume. No handler is begun once it has returned.
// Messages in work go on and stay theirs; what was received and not begun is put
// back with a small delay, and so counts as delivered once more. Nothing is asked
// of the server while the pause lasts. It may be called more than once.
func (c *Consumer) Pause() { c.slots.pause() }

// Resume ends a pause, if there is one.
func (c *Consumer) Resume() { c.slots.resume() }

// Paused says whether the consumer is paused.
func (c *Consumer) Paused() bool { return c.slots.isPaused() }

// One takes one message, paused or not, and returns when it was settled: what
// probes whether there is still a reason to pause. Messages that Peek settles do
// not count. It waits for a free slot and for a message until ctx ends, and is
// false if none came. It must not be called by a handler of the consumer.
func (c *Consumer) One(ctx context.Context) (handled bool, err error) {
	if !c.enter() {
		return false, fmt.Errorf("take one message of %s: %w", c.spec.Durable, ErrStopped)
	}
	defer c.pulling.Done()
	mark := &one{settled: make(chan struct{})}
	l := newLane(c)
	l.one, l.ends = mark, ctx.Done
	defer l.closeSession()
	for c.slots.reserveOne(ctx) {
		started, _, err := l.pull(1)
		c.slots.cancel(1 - started)
		switch {
		case err != nil:
			return false, fmt.Errorf("take one message of %s: %w", c.spec.Durable, err)
		case started > 0:
			return mark.wait(ctx), nil
		}
	}
	return false, nil
}

// enter counts a caller in with the lanes, unless the consumer has been stopped.
func (c *Consumer) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halted {
		return false
	}
	c.pulling.Add(1)
	return true
}

// one marks the message that One asked for; nil marks none.
type one struct {
	settled chan struct{}
	handled bool // read after settled is closed
}

// over is called once for each message.
func (o *one) over(handled bool) {
	if o != nil {
		o.handled = handled
		close(o.settled)
	}
}

// wait is true once the message was handled. One that is still in work when ctx
// ends is settled later.
func (o *one) wait(ctx context.Context) bool {
	select {
	case <-o.settled:
		return o.handled
	case <-ctx.Done():
		return false
	}
}
