package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
)

// Live calls see for every output from now on, once it is stored: the server
// republishes it then, and not before. Delivery is at most once, so this is a
// hint that wakes and teaches, never a duty. Calls come one at a time; see must
// not block. The feed ends with stop, which waits for a call under way, or with ctx.
func (b *Bus) Live(ctx context.Context, see func(events.Address, map[string][]string)) (stop func(), err error) {
	subjects := b.names.Subjects()
	over := make(chan struct{})
	sub, err := b.conn.Subscribe(subjects.LiveAll(), func(m *nats.Msg) {
		if address, _, err := subjects.ParseLive(m.Subject); err == nil && ctx.Err() == nil {
			see(address, m.Header)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", subjects.LiveAll(), err)
	}
	sub.SetClosedHandler(func(string) { close(over) })
	leave := func() { _ = sub.Unsubscribe() } // fails only where it is over already
	forget := context.AfterFunc(ctx, leave)
	// The subscription counts from when the server knows it.
	settled, cancel := context.WithTimeout(ctx, b.cfg.Budget.AckWait)
	defer cancel()
	if err := b.conn.FlushWithContext(settled); err != nil {
		forget()
		leave()
		return nil, fmt.Errorf("subscribe to %s: %w", subjects.LiveAll(), b.explain(err))
	}
	return func() { forget(); leave(); <-over }, nil
}
