package bus

import (
	"context"
	"fmt"

	"github.com/regrant/regrant/audit"
)

// Append stores an entry of the audit and returns when that is confirmed; until then it
// repeats, as PublishOutput does. It makes *Bus an audit.Log.
func (b *Bus) Append(ctx context.Context, e audit.Entry) error {
	msg, err := b.entryMsg(e)
	if err != nil {
		return err
	}
	if _, err = b.publish(ctx, msg, true); err != nil {
		return fmt.Errorf("audit of %s: %w", e.Action, b.explain(err))
	}
	return nil
}
