package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/regrant/regrant/inbox"
)

// Handler decides about messages. Both methods are called from many goroutines
// at once, also for several deliveries of one message.
type Handler interface {
	// Peek settles a message from its subject and headers alone, or answers
	// false. It runs between receiving one message and the next: it must not
	// block, nor keep the message, and may be called again for one whose
	// acknowledgement was lost.
	Peek(m *inbox.Message) (inbox.Verdict, bool)
	// Handle decides about any other message. It holds one of the consumer's
	// slots (see inbox.Waiting). The message is its own until it returns: no
	// other worker gets it while heartbeats reach the server. ctx ends only when
	// the context given to Consume ends, or that of a Stop that waited in vain.
	Handle(ctx context.Context, m *inbox.Message) inbox.Verdict
}

// ConsumerSpec says what to take and who decides.
type ConsumerSpec struct {
	// Stream and Durable name a consumer that `worker provision` made.
	Stream, Durable string
	// Slots is how many messages are handled at once. At least 1.
	Slots int
	// Handler decides.
	Handler Handler
	// Settled, if set, is told of each message that Handle decided about, once the
	// answer is on its way to the server. Messages that Peek settled are left out.
	Settled func(*inbox.Message, inbox.Verdict)
}

// lanes is how many requests are under way at once. While one lane settles what
// it received, the server already sends to the other: with a single one, each
// batch would cost a round trip of silence.
const lanes = 2

// Consumer takes messages until it is stopped.
type Consumer struct {
	bus  *Bus
	spec ConsumerSpec
	log  *slog.Logger

	slots    *slots
	beats    *heartbeats
	handlers *crew
	pulling  sync.WaitGroup

	// ctx is that of the handlers.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	halted   bool
	stopping chan struct{} // closed: pull no more
	done     chan struct{} // closed: nothing of this consumer runs any more
}

// errStopped is the cause of a handler's context that a vain Stop ended.
var errStopped = errors.New("the consumer's stop did not wait longer")

// Consume starts to take messages. Ending ctx stops pulling and ends the
// handlers' context; Stop is the gentle way.
func (b *Bus) Consume(ctx context.Context, spec ConsumerSpec) (*Consumer, error) {
	if spec.Slots < 1 || spec.Handler == nil {
		return nil, fmt.Errorf("consume %s: needs a handler and at least one slot, has %d", spec.Durable, spec.Slots)
	}
	if _, err := b.askConsumer(ctx, spec.Stream, spec.Durable); err != nil {
		return nil, fmt.Errorf("consume %s of %s: %w", spec.Durable, spec.Stream, b.explain(err))
	}
	c := &Consumer{
		bus: b, spec: spec, log: b.log.With("consumer", spec.Durable),
		slots: newSlots(spec.Slots), handlers: newCrew(spec.Slots), beats: newHeartbeats(b.cfg.Budget.Heartbeat),
		stopping: make(chan struct{}), done: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	for range min(lanes, spec.Slots) {
		c.pulling.Go(newLane(c).run)
	}
	go c.run()
	return c, nil
}

// run owns all goroutines of the consumer.
func (c *Consumer) run() {
	defer close(c.done)
	defer c.cancel(nil)
	defer c.bus.trouble(c.spec.Durable, nil)
	defer context.AfterFunc(c.ctx, c.halt)()

	ticks := make(chan struct{})
	go func() { defer close(ticks); c.beats.run() }()
	c.pulling.Wait()
	c.handlers.end()
	c.beats.end()
	<-ticks
}

// Stop stops pulling, puts back what was not started, and waits for the
// handlers, whose context goes on and whose messages stay theirs. If ctx ends
// first, the handlers' context is ended too, and the error says how many were
// still at work; their messages are redelivered to others. Stop may be called
// more than once.
func (c *Consumer) Stop(ctx context.Context) error {
	c.halt()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	c.cancel(errStopped)
	return fmt.Errorf("stop %s: %d messages still in work: %w", c.spec.Durable, c.beats.count(), context.Cause(ctx))
}

// Done is closed when nothing of the consumer runs any more.
func (c *Consumer) Done() <-chan struct{} { return c.done }

func (c *Consumer) halt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.halted {
		c.halted = true
		close(c.stopping)
		c.slots.stop()
	}
}

// rest waits before the next attempt to pull; a connection made anew ends the wait.
func (c *Consumer) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.bus.comeback():
	case <-c.stopping:
	}
}
