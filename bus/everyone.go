package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// RequestEveryone asks all processes that serve a verb (Endpoint.HandleEveryone) and
// gathers what they answer until none has answered for quiet. Nobody knows how many
// there are: one that is cut off or too busy to answer is not among them.
func (b *Bus) RequestEveryone(ctx context.Context, verb string, quiet time.Duration) (replies [][]byte, err error) {
	subject := b.names.Subjects().APIEveryone(verb)
	ctx, end := b.refusals.watch(ctx, subject) // or nobody's answer would mean that there is nobody
	defer end()
	inbox := b.conn.NewInbox()
	sub, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("ask all workers: %w", b.explain(err))
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := b.conn.PublishRequest(subject, inbox, nil); err != nil {
		return nil, fmt.Errorf("ask all workers: %w", b.explain(err))
	}
	for {
		wait, cancel := context.WithTimeout(ctx, quiet)
		reply, err := sub.NextMsgWithContext(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("ask all workers: %w", context.Cause(ctx))
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			return replies, nil
		case err != nil:
			return nil, fmt.Errorf("ask all workers: %w", b.explain(err))
		}
		if code := reply.Header.Get(micro.ErrorCodeHeader); code != "" {
			return nil, refusal(code, reply)
		}
		replies = append(replies, reply.Data)
	}
}
