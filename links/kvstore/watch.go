package kvstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

const (
	// page is how many changes a watch asks the server for at once.
	page = 256
	// pollFor is how long one request for changes stays open.
	pollFor = 30 * time.Second
	// beat is the server's sign of life on a request; two missed mean that it was lost.
	beat = 5 * time.Second
)

// Watch follows the stream from where it ends now. Links come in the order of
// their writes; a write that was replaced before it could be read is left out.
// It outlives lost connections. Wait waits for the calls to end.
func (s *Store) Watch(ctx context.Context, filter events.Address, changed func(links.Stored)) error {
	keys, err := pattern(filter)
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	f := follower{bucket: s.links, keys: keys, changed: func(e entry) {
		if v, err := e.link(); err == nil {
			changed(v)
		}
	}}
	err = s.links.retry(ctx, s.links.tryFor, func(ctx context.Context) error {
		info, err := s.links.stream.Info(ctx)
		if err == nil {
			f.after = info.State.LastSeq
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	s.watches.Go(func() { f.follow(ctx) })
	return nil
}

// Wait returns when every watch whose context has ended has made its last call.
func (s *Store) Wait() { s.watches.Wait() }

// follower is one watch: everything up to the sequence after has been reported.
type follower struct {
	bucket  *bucket
	keys    string
	after   uint64
	changed func(entry)
}

// follow reads through one consumer after another. A consumer is given up for a
// new one at the same place whenever something may have been lost on the way:
// acknowledging every change would cost more than asking again now and then.
func (f *follower) follow(ctx context.Context) {
	conn := f.bucket.js.Conn()
	status := conn.StatusChanged()
	defer conn.RemoveStatusListener(status)
	for n := 1; ctx.Err() == nil; n++ {
		before := f.after
		if consumer, err := f.consumer(ctx); err == nil {
			f.drain(ctx, consumer, status)
			f.discard(ctx, consumer)
		}
		if f.after > before {
			n = 1
		}
		if pause(ctx, n) != nil {
			return
		}
	}
}

func (f *follower) consumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, f.bucket.tryFor)
	defer cancel()
	return f.bucket.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: f.bucket.subject + f.keys,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.after + 1,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: 2 * f.bucket.pollFor,
	})
}

// discard spares the server the wait until it notices by itself.
func (f *follower) discard(ctx context.Context, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.bucket.tryFor)
	defer cancel()
	_ = f.bucket.stream.DeleteConsumer(ctx, consumer.CachedInfo().Name)
}

// drain reports changes until a request fails, a message is missing, or the
// connection has changed. The last is a reason by itself: what the server sent
// into a dying connection counts as delivered, and a request for more outlives
// the connection, so that nothing else would tell until the next change.
func (f *follower) drain(ctx context.Context, consumer jetstream.Consumer, status <-chan nats.Status) {
	for delivered := uint64(0); ; {
		n, ok := f.page(ctx, consumer, delivered, status)
		if !ok {
			return
		}
		delivered += n
	}
}

// page reports the n changes that come on one request, the first of which is
// that after delivered ones. If not ok, the consumer is not to be trusted any further.
func (f *follower) page(ctx context.Context, consumer jetstream.Consumer, delivered uint64, status <-chan nats.Status) (n uint64, ok bool) {
	poll, cancel := context.WithTimeout(ctx, f.bucket.pollFor)
	defer cancel()
	batch, err := consumer.Fetch(page, jetstream.FetchContext(poll), jetstream.FetchHeartbeat(f.bucket.beat))
	if err != nil {
		return 0, false
	}
	for {
		select {
		case <-status:
			return n, false
		case m, more := <-batch.Messages():
			if !more {
				return n, ctx.Err() == nil && batch.Error() == nil
			}
			meta, err := m.Metadata()
			if err != nil || meta.Sequence.Consumer != delivered+n+1 || ctx.Err() != nil {
				return n, false
			}
			n++
			f.report(m, meta)
		}
	}
}

func (f *follower) report(m jetstream.Msg, meta *jetstream.MsgMetadata) {
	f.after = meta.Sequence.Stream
	f.changed(entry{value: m.Data(), revision: meta.Sequence.Stream, created: meta.Timestamp})
}
