package bus

import (
	"context"
	"fmt"
)

// Backlog is what a consumer has before it, over all processes that pull from it.
type Backlog struct {
	// Pending is how many messages were never delivered.
	Pending uint64
	// InWork is how many were delivered and not settled: in work, or put back for later.
	InWork int
	// Redelivered is how many of those were delivered more than once.
	Redelivered int
}

// Backlog asks the server how much is left to do. It is one request.
func (c *Consumer) Backlog(ctx context.Context) (Backlog, error) {
	handle, err := c.bus.js.Consumer(ctx, c.spec.Stream, c.spec.Durable)
	if err != nil {
		return Backlog{}, fmt.Errorf("backlog of %s: %w", c.spec.Durable, c.bus.explain(err))
	}
	info := handle.CachedInfo()
	return Backlog{Pending: info.NumPending, InWork: info.NumAckPending, Redelivered: info.NumRedelivered}, nil
}

// Name is the consumer's durable name.
func (c *Consumer) Name() string { return c.spec.Durable }
