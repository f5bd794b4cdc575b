package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/inbox"
)

// WatchSpec says what to read from a stream, without any effect on it.
type WatchSpec struct {
	// Stream to read. Empty means the outputs.
	Stream string
	// Subject to select, with wildcards. Empty means everything.
	Subject string
	// Subjects to select where there are several. No two of them may overlap.
	Subjects []string
	// Since reads from what was stored then or later. Zero, with Stored unset,
	// means only what comes from now on; with Stored set, from the beginning.
	Since time.Time
	// From reads from this sequence on, in place of Since.
	From uint64
	// Count ends the watch after so many messages. Zero means no such end.
	Count int
	// Stored ends the watch after what was stored when it began.
	Stored bool
	// Last begins with the last stored message of each subject selected.
	Last bool
	// Begun, if set, is called when the watch is in place: nothing that is stored
	// from then on is missed.
	Begun func()
}

// Watch calls see for each message in stored order, without gaps also across
// reconnects. It returns nil when the spec's end is reached, the error of see
// as soon as there is one, or ctx's.
func (b *Bus) Watch(ctx context.Context, spec WatchSpec, see func(*inbox.Message) error) error {
	stream := cmp.Or(spec.Stream, b.names.Out())
	var consumer jetstream.Consumer
	err := b.asking(ctx, func(ctx context.Context) (err error) {
		consumer, err = b.js.OrderedConsumer(ctx, stream, spec.ordered())
		return err
	})
	if err != nil {
		return fmt.Errorf("watch %s: %w", stream, b.explain(err))
	}
	if spec.Stored {
		if info := consumer.CachedInfo(); info.NumPending == 0 {
			return nil
		}
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("watch %s: %w", stream, b.explain(err))
	}
	defer messages.Stop()
	if spec.Begun != nil {
		spec.Begun()
	}
	return spec.follow(ctx, messages, see)
}

func (s WatchSpec) ordered() jetstream.OrderedConsumerConfig {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: s.Subjects}
	if s.Subject != "" {
		cfg.FilterSubjects = []string{s.Subject}
	}
	switch {
	case s.From != 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.From
	case s.Last:
		cfg.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case !s.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.Since
	case s.Stored:
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	return cfg
}

func (s WatchSpec) follow(ctx context.Context, messages jetstream.MessagesContext, see func(*inbox.Message) error) error {
	for seen := 1; ; seen++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		err = see(&inbox.Message{
			Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data(), Stream: meta.Stream,
			Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp, Delivered: meta.NumDelivered,
		})
		if err != nil || seen == s.Count || s.Stored && meta.NumPending == 0 {
			return err
		}
	}
}
