package bus

import (
	"cmp"
	"context"
	"fmt"
)

// History is how much of a stream a watch of what is stored would see.
type History struct {
	// Count is how many messages are selected, First the stream's first sequence that is
	// kept, Last its last.
	Count, First, Last uint64
}

// History counts what a spec selects, as it is now.
func (b *Bus) History(ctx context.Context, spec WatchSpec) (History, error) {
	name := cmp.Or(spec.Stream, b.names.Out())
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return History{}, fmt.Errorf("stream %s: %w", name, b.explain(err))
	}
	h := History{First: stream.CachedInfo().State.FirstSeq, Last: stream.CachedInfo().State.LastSeq}
	consumer, err := b.js.OrderedConsumer(ctx, name, spec.ordered())
	if err != nil {
		return History{}, fmt.Errorf("count %s: %w", name, b.explain(err))
	}
	h.Count = consumer.CachedInfo().NumPending
	return h, nil
}
