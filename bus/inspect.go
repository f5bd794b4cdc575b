package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// PlacedStream is a planned stream beside what the server has. A bucket is a stream.
type PlacedStream struct {
	Want jetstream.StreamConfig
	// Have is nil where Err says why it is not known. ErrNotProvisioned: there is none.
	Have *jetstream.StreamInfo
	Err  error
}

// PlacedConsumer is a planned consumer beside what the server has.
type PlacedConsumer struct {
	Stream string
	Want   jetstream.ConsumerConfig
	Have   *jetstream.ConsumerInfo
	Err    error
}

// Differences are the settings of the plan that the stream does not have.
func (s PlacedStream) Differences() []Setting { return streamDifferences(s.Have.Config, s.Want) }

// Differences are the settings of the plan that the consumer does not have.
func (c PlacedConsumer) Differences() []Setting { return consumerDifferences(c.Have.Config, c.Want) }

// Inspect reads all that the plan names, with the rights that Verify needs. Where the
// server does not answer within ctx, nothing more is asked: what is left has that error.
func (b *Bus) Inspect(ctx context.Context, plan Plan) (streams []PlacedStream, consumers []PlacedConsumer) {
	for _, want := range plan.streams() {
		s := PlacedStream{Want: want}
		stream, err := b.js.Stream(ctx, want.Name)
		if s.Err = b.explain(err); err == nil {
			s.Have = stream.CachedInfo()
		}
		streams = append(streams, s)
	}
	for _, want := range plan.consumers() {
		c := PlacedConsumer{Stream: want.stream, Want: want.config}
		consumer, err := b.js.Consumer(ctx, want.stream, want.config.Durable)
		if c.Err = b.explain(err); err == nil {
			c.Have = consumer.CachedInfo()
		}
		consumers = append(consumers, c)
	}
	return streams, consumers
}

// OldestServer is the first nats-server with everything that a cell needs.
var OldestServer = fmt.Sprintf("%d.%d", needMajor, needMinor)

// NewEnough says whether a nats-server of this version can hold a cell.
func NewEnough(version string) bool { return newEnough(version) }

// Missing says that an error of Inspect means "there is none".
func Missing(err error) bool { return errors.Is(err, ErrNotProvisioned) }
