package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// Hears says whether the server lets this connection listen to its own replies: with
// another role's credentials it does not, and every answer would seem to be missing. The
// error matches ErrNotPermitted.
func (b *Bus) Hears(ctx context.Context) error {
	inbox := b.names.InboxPrefix(b.cfg.Role) + ".>"
	sub, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("listen to %s: %w", inbox, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails where it was refused
	if err := b.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("listen to %s: %w", inbox, b.explain(err))
	}
	// A refusal comes before the answer to a flush.
	if err := b.conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), inbox) {
		return fmt.Errorf("%w: %w: connect with the credentials of the role %s; `worker permissions --role %s` prints what it needs", ErrNotPermitted, err, b.cfg.Role, b.cfg.Role)
	}
	return nil
}
