package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// electionFor is for how long a cluster may be choosing a leader. nats-server
	// takes 4 to 9 s, by its own clock and not by our budget; a busy machine longer.
	electionFor = 30 * time.Second
	// askFor bounds one question: while there is no leader, nobody answers.
	askFor = 2 * time.Second
)

// asking puts a question to JetStream's management, or an order that can be given
// twice, and repeats it while it has no leader to answer. What credentials may not
// ask is not answered either: then it is not repeated.
func (b *Bus) asking(ctx context.Context, ask func(context.Context) error) error {
	limit, cancel := context.WithTimeout(ctx, electionFor)
	defer cancel()
	for {
		err := within(limit, askFor, ask)
		switch {
		case err == nil, !leaderless(err), b.denied():
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		}
		if b.pause(limit) != nil {
			return err
		}
	}
}

func within(ctx context.Context, d time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return ask(ctx)
}

// leaderless tells errors that an election ends.
func leaderless(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == statusTemporary
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrReconnectBufExceeded)
}

func (b *Bus) denied() bool { return errors.Is(b.conn.LastError(), nats.ErrPermissionViolation) }

// askStream reads a stream's configuration and state, as its leader has them.
func (b *Bus) askStream(ctx context.Context, name string) (stream jetstream.Stream, err error) {
	err = b.asking(ctx, func(ctx context.Context) (err error) {
		stream, err = b.js.Stream(ctx, name)
		return err
	})
	return stream, err
}

// askConsumer is askStream for a consumer.
func (b *Bus) askConsumer(ctx context.Context, stream, name string) (consumer jetstream.Consumer, err error) {
	err = b.asking(ctx, func(ctx context.Context) (err error) {
		consumer, err = b.js.Consumer(ctx, stream, name)
		return err
	})
	return consumer, err
}
