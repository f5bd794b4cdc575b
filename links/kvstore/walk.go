package kvstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pageSize is how many values a walk asks for at once, and so about how many it holds.
	pageSize = 64
	// pageBytes ends a page of large values sooner.
	pageBytes = 1 << 20
)

// walker goes through a bucket in the order of its writes. It holds a page of
// values, and what it has seen; the server holds nothing.
type walker struct {
	*bucket
	pattern string // of keys; "" takes all
	next    uint64 // all before this sequence was gone through
	seen    seen
}

// idleRounds is how many rounds in turn must have brought nothing new for a walk to
// end where somebody writes all the time.
const idleRounds = 3

// walk yields the keys that existed when it was called, each once, and some that
// were made meanwhile. A round takes it to what was the end when it began. What is
// written meanwhile moves past that end, where the next round finds it.
func (b *bucket) walk(ctx context.Context, pattern string, yield func(key string, e entry) (more bool, err error)) error {
	w := walker{bucket: b, pattern: pattern, next: 1, seen: newSeen()}
	for idle := 0; idle < idleRounds; idle++ {
		fresh, over, err := w.round(ctx, yield)
		if err != nil || over {
			return err
		}
		if fresh > 0 {
			idle = -1
		}
		w.seen.settle()
	}
	return nil
}

// round yields what is there and was not yielded before; fresh is how many. over: there
// was nothing behind what was gone through, or yield wanted no more.
func (w *walker) round(ctx context.Context, yield func(string, entry) (bool, error)) (fresh int, over bool, err error) {
	last, err := w.lastSequence(ctx)
	if err != nil || w.next > last {
		return 0, true, err
	}
	for w.next <= last {
		page, err := w.page(ctx)
		if err != nil || len(page) == 0 {
			return fresh, true, err
		}
		for _, f := range page {
			if f.revision > last {
				w.seen.settle() // it may have had its turn in this very round
			}
			w.next = f.revision + 1
			if !f.live || !w.seen.add(f.key) {
				continue
			}
			fresh++
			if more, err := yield(f.key, f.entry); err != nil || !more {
				return fresh, true, err
			}
		}
	}
	return fresh, false, nil
}

func (w *walker) lastSequence(ctx context.Context) (last uint64, err error) {
	err = w.retry(ctx, w.tryFor, func(ctx context.Context) error {
		info, err := w.stream.Info(ctx)
		if err == nil {
			last = info.State.LastSeq
		}
		return err
	})
	return last, err
}

// found is an entry and its key.
type found struct {
	key string
	entry
}

// page reads on from next. Whichever replica answers may lag: where it has nothing
// more, the leader says whether that is the end.
func (w *walker) page(ctx context.Context) (page []found, err error) {
	err = w.retry(ctx, w.tryFor, func(ctx context.Context) (err error) {
		page, err = w.direct(ctx)
		return err
	})
	if err == nil && len(page) == 0 {
		page, err = w.fromLeader(ctx)
	}
	return page, err
}

// direct asks for a page. A filter is worth a request for each value: for a page
// of filtered values the server would count, twice, all that are left.
func (w *walker) direct(ctx context.Context) (page []found, err error) {
	ask := map[string]any{"seq": w.next, "batch": pageSize, "max_bytes": pageBytes}
	if w.pattern != "" {
		ask = map[string]any{"seq": w.next, "next_by_subj": w.subject + w.pattern}
	}
	request, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	conn := w.js.Conn()
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := conn.PublishRequest(w.directGet, inbox, request); err != nil {
		return nil, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		f, over, err := w.received(m)
		if err != nil || over {
			return page, err
		}
		if page = append(page, f); w.pattern != "" {
			return page, nil
		}
	}
}

// received reads one reply to a direct get. over: it is the last, and holds no value.
func (w *walker) received(m *nats.Msg) (f found, over bool, err error) {
	switch status := m.Header.Get("Status"); status {
	case "":
	case "204", "404": // the end of the page, and of the stream
		return found{}, true, nil
	case "503":
		return found{}, true, nats.ErrNoResponders
	default:
		return found{}, true, fmt.Errorf("refused by the server: %s %s", status, m.Header.Get("Description"))
	}
	f.key = strings.TrimPrefix(m.Header.Get(jetstream.SubjectHeader), w.subject)
	f.value = m.Data
	f.live = !marks(m.Header)
	if f.revision, err = strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64); err == nil {
		f.created, err = time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	}
	if err == nil && f.revision < w.next {
		err = errors.New("the server went backwards")
	}
	return f, false, err
}

// fromLeader reads the next value, if there is one, where writes are decided.
func (w *walker) fromLeader(ctx context.Context) ([]found, error) {
	pattern := w.pattern
	if pattern == "" {
		pattern = ">"
	}
	f, err := w.ask(ctx, map[string]any{"seq": w.next, "next_by_subj": w.subject + pattern})
	if err != nil || f.revision == 0 {
		return nil, err
	}
	return []found{f}, nil
}
