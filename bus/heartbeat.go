package bus

import (
	"sync"
	"time"
)

// heartbeats renews the deadline of every message in work, from one goroutine.
type heartbeats struct {
	every time.Duration
	quit  chan struct{}

	mu   sync.Mutex
	held map[*delivery]struct{}
}

func newHeartbeats(every time.Duration) *heartbeats {
	return &heartbeats{every: every, quit: make(chan struct{}), held: map[*delivery]struct{}{}}
}

func (h *heartbeats) run() {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.beat()
		case <-h.quit:
			return
		}
	}
}

// beat keeps the lock while it sends: a heartbeat sent after a delayed nak would
// replace the delay that was asked for.
func (h *heartbeats) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for d := range h.held {
		if err := d.respond(inProgress); err != nil {
			return // not connected: neither will the others reach the server
		}
	}
}

func (h *heartbeats) end() { close(h.quit) }

func (h *heartbeats) add(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[d] = struct{}{}
}

func (h *heartbeats) remove(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, d)
}

func (h *heartbeats) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}
