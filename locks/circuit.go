package locks

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// circuit keeps a Redis that is away from costing every caller a time-out. It
// is open after a failure, and then lets one call through per interval.
type circuit struct {
	every time.Duration
	log   *slog.Logger

	mu      sync.Mutex
	cause   error     // of the last failure; nil while closed
	retryAt time.Time // when the next call may try
}

// allow returns nil if the caller may ask Redis, else ErrUnavailable. The one
// who may ask while the circuit is open uses up the interval's try: should its
// context end before Redis answers, the next try is one interval later.
func (c *circuit) allow() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		return nil
	}
	if now := time.Now(); !now.Before(c.retryAt) {
		c.retryAt = now.Add(c.every)
		return nil
	}
	return fmt.Errorf("%w: not asked again yet after: %w", ErrUnavailable, c.cause)
}

func (c *circuit) failed(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.log.Warn("lock server is not available: refreshing goes on under the intent alone; check redis.url, the server and its permissions", "cause", cause)
	}
	c.cause, c.retryAt = cause, time.Now().Add(c.every)
}

func (c *circuit) succeeded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		c.log.Info("lock server is available again")
	}
	c.cause = nil
}

func (c *circuit) available() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause == nil
}
