package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/regrant/regrant/api"
)

// Request asks the API and reads the reply into out. The error is an *api.Error:
// the worker's own, NotPermitted where the server does not let these credentials ask,
// or Unavailable where nobody answered. Without a deadline in ctx
// it waits for one AckWait, as long as a worker works on it.
//
// A request that timed out may have been carried out. What that leaves behind, a
// flow that nobody follows or tokens that nobody claims, ends by itself.
func (b *Bus) Request(ctx context.Context, subject string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	if _, limited := ctx.Deadline(); !limited {
		limit, cancel := context.WithTimeout(ctx, b.cfg.Budget.AckWait)
		defer cancel()
		ctx = limit
	}
	ctx, end := b.refusals.watch(ctx, subject)
	defer end()
	reply, err := b.conn.RequestWithContext(ctx, subject, data)
	if err != nil {
		return b.unanswered(ctx, err)
	}
	if code := reply.Header.Get(micro.ErrorCodeHeader); code != "" {
		return refusal(code, reply)
	}
	if json.Unmarshal(reply.Data, out) != nil { // its text may quote the reply
		return api.Refuse(api.Unavailable, "the worker's reply cannot be read: is its version another one?")
	}
	return nil
}

// refusal is the error that a worker answered with.
func refusal(code string, reply *nats.Msg) *api.Error {
	e := new(api.Error)
	if json.Unmarshal(reply.Data, e) != nil || e.Code == "" {
		return api.Refuse(api.Code(code), "%s", strings.TrimSpace(reply.Header.Get(micro.ErrorHeader)))
	}
	return e
}

// unanswered says why there was no reply.
func (b *Bus) unanswered(ctx context.Context, err error) error {
	switch {
	case refused(ctx) != nil:
		return api.Refuse(api.NotPermitted, "%s", refused(ctx))
	case errors.Is(err, nats.ErrNoResponders):
		return api.Refuse(api.Unavailable, "no worker serves the API; start one")
	case errors.Is(context.Cause(ctx), context.Canceled):
		return fmt.Errorf("request the API: %w", context.Cause(ctx))
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return api.Refuse(api.Unavailable, "no worker answered in time: try again; if it stays so, see a worker's log, and whether these credentials may listen to their inbox")
	default:
		return api.Refuse(api.Unavailable, "NATS did not carry the request: %s", b.explain(err))
	}
}
