package kvstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/links"
)

// errRefused means that the key is not at the revision that a write named.
var errRefused = errors.New("not at that revision")

// change is a compare-and-set: the value for a key that is at the revision, 0 for
// a key without any.
type change struct {
	key      string
	value    []byte
	revision uint64
	// keep ends the key's life unless another write comes first, which must name its
	// own: a key outlives the life that an earlier write gave it. Zero is for ever.
	keep time.Duration
}

// write carries a change out, and repeats itself until it knows. It fails with
// errRefused, with links.ErrUnknown when ctx ended first, or with what the server
// or the client has against a write that was not tried before.
func (b *bucket) write(ctx context.Context, c change) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for n := 1; ; n++ {
		next, err := b.try(ctx, c)
		if err == nil {
			return next, nil
		}
		first := n == 1
		switch {
		case first && wrongRevision(err):
			return 0, errRefused
		case first && answered(err):
			return 0, err
		case wrongRevision(err):
			if next, decided, err := b.settle(ctx, c); decided {
				return next, err
			}
		case errors.Is(err, nats.ErrConnectionClosed):
			return 0, unknown(err)
		}
		if pauseErr := pause(ctx, n); pauseErr != nil {
			return 0, unknown(fmt.Errorf("%w; last try: %w", pauseErr, err))
		}
	}
}

// try publishes to the stream below the bucket: the client library's Update
// knows no life of a key.
func (b *bucket) try(ctx context.Context, c change) (next uint64, err error) {
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(c.revision)}
	if c.keep > 0 {
		options = append(options, jetstream.WithMsgTTL(wholeSeconds(c.keep)))
	}
	err = b.within(ctx, b.tryFor, func(ctx context.Context) error {
		ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: b.put + c.key, Data: c.value}, options...)
		if err == nil {
			next = ack.Sequence
		}
		return err
	})
	return next, err
}

// wholeSeconds rounds up: the server drops what is less than a second.
func wholeSeconds(d time.Duration) time.Duration {
	if whole := d.Truncate(time.Second); whole < d {
		return whole + time.Second
	}
	return d
}

// settle finds out whom a refusal after an unanswered try was about. It is not
// decided while the leader still has the old revision (an earlier try of ours is
// under way in the cluster) or does not answer.
func (b *bucket) settle(ctx context.Context, c change) (next uint64, decided bool, err error) {
	now, err := b.leader(ctx, c.key)
	switch {
	case err != nil || now.revision == c.revision:
		return 0, false, nil
	case now.live && bytes.Equal(now.value, c.value):
		return now.revision, true, nil
	default:
		return 0, true, errRefused
	}
}

func unknown(err error) error { return fmt.Errorf("%w: %w", links.ErrUnknown, err) }

// wrongRevision knows both codes of a refused compare-and-set: replicated
// streams have one of their own for a key with a write under way.
func wrongRevision(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
