package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// tryFor bounds one request, after which its answer counts as lost.
	tryFor = 2 * time.Second
	// listFor is tryFor for the names of all keys.
	listFor = 15 * time.Second
	// openFor bounds the opening of a bucket. An election takes 4 to 9 s.
	openFor = 30 * time.Second
	// reads is how often a read is tried. A write has no such number.
	reads = 3
	// pauseBase and pauseMax bound the pause between two tries.
	pauseBase = 50 * time.Millisecond
	pauseMax  = time.Second
)

// bucket is one key-value bucket with the stream below it.
type bucket struct {
	name   string
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	stream jetstream.Stream
	msgGet string // API subject that the stream's leader answers
	// directGet is the one that any replica answers.
	directGet string
	subject   string // what precedes a key in the stream
	put       string // what precedes it where it is written
	// The constants of these names; tests are in more of a hurry.
	tryFor, listFor, pollFor, beat time.Duration
	reads                          int
}

// entry is what stands under a key. Its revision is that of the marker where a
// key was deleted, and 0 where there never was one; then it is not live.
type entry struct {
	value    []byte
	revision uint64
	created  time.Time
	live     bool
}

// bind opens a bucket and refuses one that keeps older revisions: a watch would
// report what is no longer true.
func bind(ctx context.Context, js jetstream.JetStream, name string) (*bucket, error) {
	kv, stream, err := openBucket(ctx, js, name)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w: run `worker provision`", name, err)
	}
	if kept := stream.CachedInfo().Config.MaxMsgsPerSubject; kept != 1 {
		return nil, fmt.Errorf("bucket %s keeps %d revisions per key, 1 is needed: run `worker provision`", name, kept)
	}
	subject := "$KV." + name + "."
	return &bucket{
		name: name, js: js, kv: kv, stream: stream, tryFor: tryFor, listFor: listFor, pollFor: pollFor, beat: beat, reads: reads,
		msgGet: apiPrefix(js.Options()) + "STREAM.MSG.GET.KV_" + name, directGet: apiPrefix(js.Options()) + "DIRECT.GET.KV_" + name, subject: subject, put: putPrefix(js.Options()) + subject,
	}, nil
}

// openBucket repeats itself while the cluster has no leader to ask: for as long as an
// election may take.
func openBucket(ctx context.Context, js jetstream.JetStream, name string) (kv jetstream.KeyValue, stream jetstream.Stream, err error) {
	limit, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	b := bucket{js: js}
	for n := 1; ; n++ {
		err = b.within(limit, tryFor, func(ctx context.Context) (err error) {
			if kv, err = js.KeyValue(ctx, name); err == nil {
				stream, err = js.Stream(ctx, "KV_"+name)
			}
			return err
		})
		if !leaderless(err) || pause(limit, n) != nil {
			return kv, stream, err
		}
	}
}

// leaderless tells errors that an election ends: no answer, or that there is none now.
func leaderless(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}

// apiPrefix is where the JetStream API lives for these options.
func apiPrefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	default:
		return jetstream.DefaultAPIPrefix
	}
}

// putPrefix precedes the subjects of a bucket behind another API than the default.
func putPrefix(o jetstream.JetStreamOptions) string {
	if p := apiPrefix(o); p != jetstream.DefaultAPIPrefix {
		return p
	}
	return ""
}

// get reads a key from whichever replica answers.
func (b *bucket) get(ctx context.Context, key string) (e entry, err error) {
	err = b.retry(ctx, b.tryFor, func(ctx context.Context) error {
		found, err := b.kv.Get(ctx, key)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			e = entry{}
			return nil
		case err != nil:
			return err
		}
		e = entry{value: found.Value(), revision: found.Revision(), created: found.Created(), live: true}
		return nil
	})
	return e, err
}

// anywhere reads a key from whichever replica answers, or where that one does not
// have it yet, from the leader.
func (b *bucket) anywhere(ctx context.Context, key string) (entry, error) {
	e, err := b.get(ctx, key)
	if err == nil && !e.live {
		e, err = b.leader(ctx, key)
	}
	return e, err
}

// leader reads a key from the stream's leader, which decides writes. The API
// that the client library uses for buckets lets any replica answer.
func (b *bucket) leader(ctx context.Context, key string) (entry, error) {
	f, err := b.ask(ctx, map[string]any{"last_by_subj": b.subject + key})
	return f.entry, err
}

// ask has the leader look a message up. Revision 0: there is none.
func (b *bucket) ask(ctx context.Context, what map[string]any) (f found, err error) {
	request, err := json.Marshal(what)
	if err != nil {
		return found{}, err
	}
	err = b.retry(ctx, b.tryFor, func(ctx context.Context) error {
		reply, err := b.js.Conn().RequestWithContext(ctx, b.msgGet, request)
		if err != nil {
			return err
		}
		f, err = parseMsgGet(reply.Data)
		f.key = strings.TrimPrefix(f.key, b.subject)
		return err
	})
	return f, err
}

// parseMsgGet reads the reply to STREAM.MSG.GET; the key is the whole subject.
func parseMsgGet(data []byte) (found, error) {
	var reply struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return found{}, fmt.Errorf("reply to a read: %w", err)
	}
	switch {
	case reply.Error != nil && reply.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return found{}, nil
	case reply.Error != nil:
		return found{}, reply.Error
	}
	m := reply.Message
	live, err := isValue(m.Header)
	return found{m.Subject, entry{value: m.Data, revision: m.Sequence, created: m.Time, live: live}}, err
}

// isValue tells a value from the marker that a deletion leaves.
func isValue(header []byte) (bool, error) {
	if len(header) == 0 {
		return true, nil
	}
	h, err := nats.DecodeHeadersMsg(header)
	if err != nil {
		return false, fmt.Errorf("header of a stored value: %w", err)
	}
	return !marks(h), nil
}

// marks says whether a header is that of a deletion's marker.
func marks(h nats.Header) bool {
	return h.Get("KV-Operation") != "" || h.Get(jetstream.MarkerReasonHeader) != ""
}

// keys lists the keys that match a pattern as of one moment. It holds all of
// them, some 100 bytes each, and no values.
func (b *bucket) keys(ctx context.Context, pattern string) (found []string, err error) {
	err = b.retry(ctx, b.listFor, func(ctx context.Context) error {
		info, err := b.stream.Info(ctx, jetstream.WithSubjectFilter(b.subject+pattern))
		if err != nil {
			return err
		}
		found = make([]string, 0, len(info.State.Subjects))
		for subject := range info.State.Subjects {
			found = append(found, strings.TrimPrefix(subject, b.subject))
		}
		return nil
	})
	return found, err
}

// retry repeats a read that was not answered. It is over with the first answer,
// also if that is an error.
func (b *bucket) retry(ctx context.Context, limit time.Duration, read func(context.Context) error) error {
	for n := 1; ; n++ {
		err := b.within(ctx, limit, read)
		if err == nil || answered(err) || n >= b.reads {
			return err
		}
		if pauseErr := pause(ctx, n); pauseErr != nil {
			return fmt.Errorf("%w; last try: %w", pauseErr, err)
		}
	}
}

// within makes one try.
func (b *bucket) within(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return try(ctx)
}

// answered says that an error is the server's word, or the client's that it did
// not ask; nothing is learnt by asking again.
func answered(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrMaxPayload) ||
		errors.Is(err, jetstream.ErrInvalidKey)
}

// pause waits between tries, longer each time, at most until ctx ends.
func pause(ctx context.Context, n int) error {
	timer := time.NewTimer(min(pauseBase<<min(n-1, 10), pauseMax))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
