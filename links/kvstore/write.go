package kvstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/links"
)

// errRefused means that the key is not at the revision that a write named.
var errRefused = errors.New("not at that revision")

// write replaces a key's value if it is at the revision, 0 for a key without
// any, and repeats itself until it knows. It fails with errRefused, with
// links.ErrUnknown when ctx ended first, or with what the server or the client
// has against a write that was not tried before.
func (b *bucket) write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for n := 1; ; n++ {
		next, err := b.try(ctx, key, value, revision)
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
			if next, decided, err := b.settle(ctx, key, value, revision); decided {
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

func (b *bucket) try(ctx context.Context, key string, value []byte, revision uint64) (next uint64, err error) {
	err = b.within(ctx, b.tryFor, func(ctx context.Context) error {
		next, err = b.kv.Update(ctx, key, value, revision)
		return err
	})
	return next, err
}

// settle finds out whom a refusal after an unanswered try was about. It is not
// decided while the leader still has the old revision (an earlier try of ours is
// under way in the cluster) or does not answer.
func (b *bucket) settle(ctx context.Context, key string, value []byte, revision uint64) (next uint64, decided bool, err error) {
	now, err := b.leader(ctx, key)
	switch {
	case err != nil || now.revision == revision:
		return 0, false, nil
	case now.live && bytes.Equal(now.value, value):
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
