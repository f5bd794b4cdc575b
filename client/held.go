package client

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// held are the messages that this process has and has not settled. The server is told
// so from one ticker, or it would give them to others.
type held struct {
	mu   sync.Mutex
	msgs map[uint64]jetstream.Msg // by sequence in the stream
}

func newHeld() *held { return &held{msgs: map[uint64]jetstream.Msg{}} }

// add is false for a message that is held already and was delivered once more: the
// acknowledgement of either delivery settles it.
func (h *held) add(sequence uint64, m jetstream.Msg) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.msgs[sequence] != nil {
		return false
	}
	h.msgs[sequence] = m
	return true
}

func (h *held) remove(sequence uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.msgs, sequence)
}

// beat keeps what is held until over is closed.
func (h *held) beat(every time.Duration, over <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.renew()
		case <-over:
			return
		}
	}
}

// renew is lost where the connection is away; the message then comes again.
func (h *held) renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.msgs {
		_ = m.InProgress()
	}
}
