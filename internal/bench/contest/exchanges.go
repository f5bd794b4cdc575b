package contest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// Exchanges is E: every exchange with a server and the disk that a refresh needs
// which promises what Regrant promises, and nothing decided, encoded or checked
// between them. Lock, read, intent, one call on a connection of its own, an answer
// on the disk, commit, publish, unlock, acknowledge. What is missing from F to E is
// the price of the promises on this machine, whoever keeps them.
func Exchanges(ctx context.Context, s Spec, out io.Writer) error {
	e := &exchanges{}
	dial, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(dial)
	defer func() { _ = client.Close() }()
	e.locks = redislock.New(client)
	if e.disk.file, err = os.CreateTemp(s.Dir, "answers-"); err != nil {
		return err
	}
	defer func() { _ = e.disk.file.Close() }()
	return s.pooled(ctx, out, &http.Transport{DisableKeepAlives: true}, func(ctx context.Context, f *floor) (func(jetstream.Msg), error) {
		e.floor = f
		bucket := bus.Names{Prefix: s.Prefix}.Links()
		e.keys = "$KV." + bucket + "."
		e.records, err = f.js.Stream(ctx, bus.BucketStream(bucket))
		return e.handle, err
	})
}

type exchanges struct {
	*floor
	locks   *redislock.Client
	records jetstream.Stream
	keys    string
	disk    journal
}

func (e *exchanges) handle(m jetstream.Msg) {
	if a, _, err := e.subjects.ParseIn(m.Subject()); err == nil && e.all(a) == nil {
		_ = m.Ack()
	}
}

func (e *exchanges) all(a events.Address) error {
	ctx := context.Background()
	lock, err := e.locks.Obtain(ctx, e.Prefix+":lock:"+a.Token(), 10*time.Second, nil)
	if err != nil {
		return err
	}
	record, err := e.records.GetLastMsgForSubject(ctx, e.keys+a.Token())
	if err != nil {
		return err
	}
	intended, err := e.write(record.Subject, record.Data, record.Sequence)
	if err != nil {
		return err
	}
	if err := e.refresh(a); err != nil {
		return err
	}
	if err := e.disk.append(record.Data); err != nil {
		return err
	}
	if _, err := e.write(record.Subject, record.Data, intended); err != nil {
		return err
	}
	if err := e.announce(a); err != nil {
		return err
	}
	return lock.Release(ctx)
}

// write is a compare-and-set.
func (e *exchanges) write(subject string, data []byte, over uint64) (uint64, error) {
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(over, 10)}}}
	stored, err := e.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
	if err != nil {
		return 0, err
	}
	select {
	case ack := <-stored.Ok():
		return ack.Sequence, nil
	case err := <-stored.Err():
		return 0, fmt.Errorf("write %s: %w", subject, err)
	}
}

// journal is a file whose writers share a sync.
type journal struct {
	mu     sync.Mutex
	file   *os.File
	syncs  sync.Mutex
	synced *flush // the next sync, which covers what was written before it began
}

type flush struct {
	once sync.Once
	err  error
}

// append returns when the data is on the disk.
func (j *journal) append(data []byte) error {
	j.mu.Lock()
	_, err := j.file.Write(data)
	if j.synced == nil {
		j.synced = &flush{}
	}
	mine := j.synced
	j.mu.Unlock()
	if err != nil {
		return err
	}
	j.syncs.Lock()
	defer j.syncs.Unlock()
	mine.once.Do(func() {
		j.mu.Lock()
		j.synced = nil // who writes from here on waits for another
		j.mu.Unlock()
		mine.err = j.file.Sync()
	})
	return mine.err
}
