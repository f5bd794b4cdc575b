package lifetime

import (
	"sync"
	"time"
)

// storeClock is the stores' own: no two of their writes have the same time, though
// in a bubble no time passes between them.
type storeClock struct {
	mu   sync.Mutex
	last time.Time
}

func (c *storeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.last.Add(1)
	if now := time.Now(); now.After(c.last) {
		c.last = now
	}
	return c.last
}
