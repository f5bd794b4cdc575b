package client

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Seen remembers which events a subscription has handled. It is asked before a
// handler is called and told after one has succeeded, from many goroutines at once.
//
// A process that ends between the two leaves an event that was handled and is not
// remembered: its handler is called once more. Only an effect that is written in one
// transaction with Delivery.Key is had exactly once; a Seen over the same table
// spares the call.
type Seen interface {
	// Has reports whether an event was handled. An error puts the event off.
	Has(ctx context.Context, key Key) (bool, error)
	// Add notes that an event was handled. An error is logged and changes nothing.
	Add(ctx context.Context, key Key) error
}

// SeenInMemory remembers the last so many events of this process. It catches the
// deliveries that come again because an acknowledgement was lost or late, and none
// from before the process began.
func SeenInMemory(size int) Seen {
	keys, _ := lru.New[Key, struct{}](max(size, 1)) // fails for a size below 1 only
	return seenInMemory{keys}
}

type seenInMemory struct{ keys *lru.Cache[Key, struct{}] }

func (s seenInMemory) Has(_ context.Context, key Key) (bool, error) { return s.keys.Contains(key), nil }
func (s seenInMemory) Add(_ context.Context, key Key) error {
	s.keys.Add(key, struct{}{})
	return nil
}
