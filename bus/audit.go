package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

// Append stores an entry of the audit and returns when that is confirmed; until then it
// repeats, as PublishOutput does. It makes *Bus an audit.Log.
func (b *Bus) Append(ctx context.Context, e audit.Entry) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	about := events.Address{Tenant: e.Tenant, Provider: e.Provider, Link: e.Link}
	msg := nats.NewMsg(b.names.Subjects().Audit(string(e.Action), about))
	msg.Header.Set(events.HeaderMsgID, e.ID)
	msg.Header.Set(events.HeaderContentType, "application/json")
	msg.Data = body
	if _, err = b.publish(ctx, msg, true); err != nil {
		return fmt.Errorf("audit of %s: %w", e.Action, b.explain(err))
	}
	return nil
}
