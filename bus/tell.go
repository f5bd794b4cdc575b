package bus

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
)

// TellerConfig says how entries of what workers do are kept.
type TellerConfig struct {
	// Room is how many entries may be on their way, and as many again wait to be
	// repeated. Zero means 8,192, a few megabytes.
	Room int
	// Patience bounds how long one entry is repeated. Zero means the budget's AckWait.
	Patience time.Duration
	// Lost is told of each entry that is given up. nil: nobody is.
	Lost func()
}

// warnEvery is the least time between two warnings of a Teller.
const warnEvery = time.Minute

// Teller is an audit.Teller: it sends an entry before Tell returns, on the connection
// that answers go out on, and waits for nothing. So the server has the entry of a bearer
// before the bearer is out, unless it or the way to it fails just then. What was not
// confirmed is repeated under its id; what finds no room or is not confirmed in time is
// given up, counted, and warned of once a minute. It is safe for concurrent use.
type Teller struct {
	cfg TellerConfig
	bus *Bus
	js  jetstream.JetStream

	// failed are those to be repeated. Sending to it never blocks.
	failed  chan *nats.Msg
	ctx     context.Context // ends what repeats
	end     context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	ended  bool
	lost   int // since the last warning
	warned time.Time
}

// Teller begins to take entries. Stop it before the Bus is closed.
func (b *Bus) Teller(cfg TellerConfig) (*Teller, error) {
	cfg.Room = cmp.Or(cfg.Room, 8192)
	cfg.Patience = cmp.Or(cfg.Patience, b.cfg.Budget.AckWait)
	t := &Teller{cfg: cfg, bus: b, failed: make(chan *nats.Msg, cfg.Room)}
	var err error
	t.js, err = jetstream.NewWithAPIPrefix(b.conn, b.cfg.API,
		jetstream.WithPublishAsyncTimeout(b.cfg.Budget.Heartbeat),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, _ error) { t.later(m) }))
	if err != nil {
		return nil, err
	}
	t.ctx, t.end = context.WithCancel(context.Background())
	t.running.Go(t.repeat)
	return t, nil
}

// Tell sends an entry and returns at once.
func (t *Teller) Tell(e audit.Entry) {
	msg, err := t.bus.entryMsg(e)
	if err != nil {
		t.lose(err)
		return
	}
	if t.js.PublishAsyncPending() >= t.cfg.Room {
		t.later(msg)
		return
	}
	if _, err := t.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0)); err != nil {
		t.later(msg)
	}
}

// later has an entry repeated. The client library may call it under a lock of its own.
func (t *Teller) later(msg *nats.Msg) {
	again := &nats.Msg{Subject: msg.Subject, Header: msg.Header, Data: msg.Data}
	if !t.queue(again) {
		t.lose(fmt.Errorf("%d wait already", t.cfg.Room))
	}
}

func (t *Teller) queue(msg *nats.Msg) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	select {
	case t.failed <- msg:
		return true
	default:
		return false
	}
}

// repeat publishes one entry after the other until it is confirmed or given up.
func (t *Teller) repeat() {
	for msg := range t.failed {
		ctx, cancel := context.WithTimeout(t.ctx, t.cfg.Patience)
		if _, err := t.bus.publish(ctx, msg, true); err != nil {
			t.lose(err)
		}
		cancel()
	}
}

// lose counts an entry that is given up. Its words are not logged: there may be many.
func (t *Teller) lose(why error) {
	if t.cfg.Lost != nil {
		t.cfg.Lost()
	}
	now := t.bus.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost++; now.Sub(t.warned) < warnEvery {
		return
	}
	t.bus.log.Warn("entries of the audit are lost; see that its stream is there (`worker provision`) and that workers may publish to it", "entries", t.lost, "error", t.bus.explain(why))
	t.lost, t.warned = 0, now
}

// Stop waits for the entries that are on their way, for Patience at most. What is not
// confirmed then, or when ctx ends, is given up. It may be called more than once.
func (t *Teller) Stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Patience)
	defer cancel()
	t.Settled(ctx)
	t.mu.Lock()
	if !t.ended {
		t.ended = true
		close(t.failed)
	}
	t.mu.Unlock()
	defer t.js.CleanupPublisher()
	defer context.AfterFunc(ctx, t.end)()
	t.running.Wait()
	t.end()
}

// Settled waits until the server has answered for what was sent, or ctx ends. What it
// did not confirm is to be repeated then.
func (t *Teller) Settled(ctx context.Context) {
	select {
	case <-t.js.PublishAsyncComplete():
	case <-ctx.Done():
	}
}

// entryMsg is an entry on its way into the audit's stream.
func (b *Bus) entryMsg(e audit.Entry) (*nats.Msg, error) {
	body, err := e.Encode()
	if err != nil {
		return nil, err
	}
	msg := nats.NewMsg(b.names.Subjects().Audit(string(e.Action), events.Address{Tenant: e.Tenant, Provider: e.Provider, Link: e.Link}))
	msg.Header.Set(events.HeaderMsgID, e.ID)
	msg.Header.Set(events.HeaderContentType, "application/json")
	msg.Data = body
	return msg, nil
}
