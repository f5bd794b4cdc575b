package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// silenceFloor keeps short test budgets from giving up a server that a busy machine
// merely runs slowly.
const silenceFloor = 500 * time.Millisecond

// leadershipChange is how a server describes a 409 that ends a request because the
// consumer's leader becomes another.
const leadershipChange = "Leadership Change"

// maxBatch bounds one request; past it, larger ones are no faster.
const maxBatch = 256

var (
	// errUnanswered is also what a missing permission looks like.
	errUnanswered = errors.New("the server does not answer requests for messages; where the log shows a permissions violation, run `worker permissions`")
	// errNoLeader means that nobody has the consumer now. An election ends that.
	errNoLeader = errors.New("no server has the consumer: its leader is being chosen, or it was deleted and `worker provision` makes it")
)

// lane asks for messages and receives them, one request at a time.
//
// It speaks the pull protocol itself, for what the client library's iterators do
// not offer: a request that is exactly as large as the slots reserved for it, on
// a subscription that lasts; and an end at which every message that the server
// sent is known here, so that it can be put back rather than be missed until
// AckWait has run.
type lane struct {
	c     *Consumer
	batch int
	// ends is closed when a pull is to end before its time.
	ends func() <-chan struct{}
	// one, if set, marks the messages of this lane: see One.
	one *one
	// look is the message at hand, until it is known to need a handler.
	look delivery

	// The session: a subscription for replies, and the number of its last
	// request. After a lost request it is replaced, so that the old request, if it
	// lives, can no longer deliver and exceed what is reserved.
	sub      *nats.Subscription
	msgs     chan *nats.Msg
	inbox    string
	request  uint64
	troubled bool
}

func newLane(c *Consumer) *lane {
	share := (c.spec.Slots + lanes - 1) / lanes
	return &lane{c: c, batch: min(maxBatch, share), ends: c.slots.pauses}
}

func (l *lane) run() {
	defer l.closeSession()
	for {
		n := l.c.slots.reserve(l.batch)
		if n == 0 {
			return
		}
		started, back, err := l.pull(n)
		l.c.slots.cancel(n - started)
		l.note(err)
		if back == n { // a queue that only goes round is not worth the server's time
			l.c.rest(l.c.bus.cfg.Budget.LockTTL / 100)
		}
		if l.c.slots.isPaused() {
			l.closeSession() // the server forgets the request, and what it sent already goes back
		}
	}
}

// note reports a change between pulling and not pulling, and rests after an error:
// not for long where an election is to end it.
func (l *lane) note(err error) {
	if err != nil {
		level := slog.LevelWarn
		if l.troubled { // Ready has the latest
			level = slog.LevelDebug
		}
		l.c.log.Log(l.c.ctx, level, "cannot pull", "error", err)
		l.c.bus.trouble(l.c.spec.Durable, err)
		l.closeSession()
		rest := l.c.bus.cfg.Budget.Heartbeat
		if errors.Is(err, errNoLeader) {
			rest /= 5
		}
		l.c.rest(rest)
	} else if l.troubled {
		l.c.bus.trouble(l.c.spec.Durable, nil)
	}
	l.troubled = err != nil
}

// pull makes one request and receives its messages until it is fulfilled, it
// expires, or the consumer stops or pauses. started counts messages that took
// their slot, back those that were put back at a look.
func (l *lane) pull(n int) (started, back int, err error) {
	anew, ends := l.c.bus.comeback(), l.ends()
	if err := l.ask(n); err != nil {
		return 0, 0, err
	}
	silence := max(l.c.bus.cfg.Budget.Heartbeat, silenceFloor)
	lost := time.NewTimer(silence)
	defer lost.Stop()
	got := tally{want: n}
	for !got.over() {
		select {
		case msg := <-l.msgs:
			lost.Reset(silence)
			if err := l.receive(msg, &got); err != nil {
				return got.started, got.back, err
			}
		case <-anew: // the server has forgotten the request
			l.closeSession()
			return got.started, got.back, nil
		case <-lost.C: // the server that has the request gives a sign of life in half that time
			return got.started, got.back, errUnanswered
		case <-ends:
			return got.started, got.back, nil
		case <-l.c.stopping:
			return got.started, got.back, nil
		}
	}
	return got.started, got.back, nil
}

// tally is what came of a request so far.
type tally struct {
	want, received, started, back int
	ended                         bool // by the server
}

func (t *tally) over() bool { return t.ended || t.received >= t.want }

// receive takes a message and those that have come with it. To look out for more than
// messages after each would cost as much as settling one; a stop waits for a moment.
func (l *lane) receive(msg *nats.Msg, got *tally) error {
	for range receiveAtOnce {
		if err := l.receiveOne(msg, got); err != nil || got.over() {
			return err
		}
		select {
		case msg = <-l.msgs:
		default:
			return nil
		}
	}
	return l.receiveOne(msg, got)
}

// receiveAtOnce is taken in a fraction of a millisecond.
const receiveAtOnce = 32

func (l *lane) receiveOne(msg *nats.Msg, got *tally) (err error) {
	if l.control(msg) {
		got.ended, err = l.heed(msg)
		return err
	}
	got.received++
	switch started, back := l.c.take(msg, &l.look, l.one); {
	case started:
		got.started++
	case back:
		got.back++
	}
	return nil
}

// ask sends a request. The server that has it gives signs of life, for it may be
// another one than that of this connection, and end without a word.
func (l *lane) ask(n int) error {
	if err := l.openSession(); err != nil {
		return err
	}
	l.request++
	body, err := json.Marshal(struct {
		Expires time.Duration `json:"expires"`
		Beat    time.Duration `json:"idle_heartbeat"`
		Batch   int           `json:"batch"`
	}{l.c.bus.cfg.Budget.Heartbeat, l.c.bus.cfg.Budget.Heartbeat / 2, n})
	if err != nil {
		return err
	}
	next := "$JS.API.CONSUMER.MSG.NEXT." + l.c.spec.Stream + "." + l.c.spec.Durable
	if err := l.c.bus.conn.PublishRequest(next, l.reply(), body); err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	return nil
}

func (l *lane) reply() string { return l.inbox + "." + strconv.FormatUint(l.request, 10) }

// control tells the server's words on a request from messages, which come under
// their own subject whatever headers they carry.
func (l *lane) control(msg *nats.Msg) bool { return strings.HasPrefix(msg.Subject, l.inbox) }

// heed handles the server's word on a request. over says that the current one ended.
func (l *lane) heed(msg *nats.Msg) (over bool, err error) {
	if msg.Subject != l.reply() {
		return false, nil
	}
	switch status := msg.Header.Get("Status"); status {
	case "100": // idle heartbeat
		return false, nil
	case "404", "408": // nothing more in time
		return true, nil
	case "503": // nobody listens where requests go to
		return true, errNoLeader
	default:
		if description := msg.Header.Get("Description"); description != leadershipChange {
			return true, fmt.Errorf("refused by the server: %s %s", status, description)
		}
		return true, errNoLeader
	}
}

func (l *lane) openSession() error {
	if l.sub != nil {
		return nil
	}
	l.inbox = l.c.bus.conn.NewInbox()
	l.msgs = make(chan *nats.Msg, 2*maxBatch) // never full: one request, its messages and a few statuses
	sub, err := l.c.bus.conn.ChanSubscribe(l.inbox+".*", l.msgs)
	if err != nil {
		return fmt.Errorf("subscribe for messages: %w", err)
	}
	l.sub = sub
	return nil
}

// closeSession withdraws interest, waits until the server knows, and puts back
// every message that it sent before that.
func (l *lane) closeSession() {
	if l.sub == nil {
		return
	}
	if err := l.sub.Drain(); err == nil && l.c.bus.conn.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), l.c.bus.cfg.Budget.Heartbeat)
		defer cancel()
		_ = l.c.bus.conn.FlushWithContext(ctx) // failing means disconnected: nothing comes any more
	}
	l.sub = nil
	for {
		select {
		case msg := <-l.msgs:
			if !l.control(msg) {
				l.c.putBack(msg)
			}
		default:
			return
		}
	}
}
