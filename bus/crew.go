package bus

import "sync"

// crew runs handlers, each on a goroutine that is its own while it runs. Up to keep
// goroutines then wait for another: a handler's stack grows to tens of kilobytes, and
// to grow it anew for each message costs a twentieth of a refresh.
type crew struct {
	keep int
	next chan func()

	mu   sync.Mutex
	idle int // goroutines that wait for next, or are about to
	over bool
	all  sync.WaitGroup
}

func newCrew(keep int) *crew { return &crew{keep: keep, next: make(chan func())} }

// run has do done, and does not wait for it. Not after end.
func (c *crew) run(do func()) {
	if c.wakes() {
		c.next <- do
		return
	}
	c.all.Go(func() {
		for ; do != nil; do = c.rest() {
			do()
		}
	})
}

// wakes claims an idle goroutine, if there is one.
func (c *crew) wakes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == 0 {
		return false
	}
	c.idle--
	return true
}

// rest waits for the next thing to do; nil: there is none, or there are enough who wait.
func (c *crew) rest() func() {
	c.mu.Lock()
	if c.over || c.idle >= c.keep {
		c.mu.Unlock()
		return nil
	}
	c.idle++
	c.mu.Unlock()
	return <-c.next
}

// end lets who is idle go, and waits until all that was begun is done.
func (c *crew) end() {
	c.mu.Lock()
	idle := c.idle
	c.over, c.idle = true, 0
	c.mu.Unlock()
	for range idle {
		c.next <- nil
	}
	c.all.Wait()
}
