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
// between them. Lock, read, intent, one call on a connection of its own while the
// armed timer is read, an answer on the disk, commit, timer, publish, unlock,
// acknowledge. What is missing from F to E is the price of the promises on this
// machine, whoever keeps them.
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
		if e.records, err = f.js.Stream(ctx, bus.BucketStream(bucket)); err != nil {
			return nil, err
		}
		e.timers, err = f.js.Stream(ctx, bus.Names{Prefix: s.Prefix}.Timer())
		return e.handle, err
	})
}

type exchanges struct {
	*floor
	locks   *redislock.Client
	records jetstream.Stream
	timers  jetstream.Stream
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
	armed := make(chan uint64, 1)
	go func() { armed <- e.armed(ctx, a) }()
	if err := e.refresh(a); err != nil {
		return err
	}
	if err := e.disk.append(record.Data); err != nil {
		return err
	}
	if _, err := e.write(record.Subject, record.Data, intended); err != nil {
		return err
	}
	if err := e.arm(a, <-armed); err != nil {
		return err
	}
	if err := e.announce(a); err != nil {
		return err
	}
	return lock.Release(ctx)
}

// armed is the sequence of the link's timer; 0 without one.
func (e *exchanges) armed(ctx context.Context, a events.Address) uint64 {
	timer, err := e.timers.GetLastMsgForSubject(ctx, e.subjects.Timer(a))
	if err != nil {
		return 0
	}
	return timer.Sequence
}

// arm has the server say in an hour that something is due.
func (e *exchanges) arm(a events.Address, over uint64) error {
	m := nats.NewMsg(e.subjects.Timer(a))
	m.Header.Set(jetstream.ScheduleHeader, "@at "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano))
	m.Header.Set(jetstream.ScheduleTargetHeader, e.subjects.Due(a))
	_, err := e.store(m, over)
	return err
}

// write is a compare-and-set.
func (e *exchanges) write(subject string, data []byte, over uint64) (uint64, error) {
	return e.store(&nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}, over)
}

// store publishes a message over the last of its subject.
func (e *exchanges) store(m *nats.Msg, over uint64) (uint64, error) {
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(over, 10))
	stored, err := e.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
	if err != nil {
		return 0, err
	}
	select {
	case ack := <-stored.Ok():
		return ack.Sequence, nil
	case err := <-stored.Err():
		return 0, fmt.Errorf("write %s: %w", m.Subject, err)
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
