package lifetime

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

const (
	inStream    = "REGRANT_IN"
	timerStream = "REGRANT_TIMER"
	// inputDedup is the broker's window for inputs of one message id.
	inputDedup = 30 * time.Second
	// A message that was delivered so often for so long is poison.
	poisonDeliveries = 50
	poisonAge        = time.Hour
)

// DeadLetter is an input that was given up.
type DeadLetter struct {
	Subject, Reason, Field string
	At                     time.Time
}

// queue delivers messages to running workers until one settles them. While none
// runs they wait.
type queue struct {
	clock *storeClock

	mu       sync.Mutex
	workers  []*Worker
	turn     int
	stored   uint64
	seen     map[string]time.Time // message ids of inputs, and when
	waiting  []*inbox.Message
	letters  []DeadLetter
	dropped  int // duplicates that the broker did not store
	open     int // messages that nobody settled yet
	stopping bool
}

func newQueue(clock *storeClock) *queue {
	return &queue{clock: clock, seen: map[string]time.Time{}}
}

// publish stores an input, unless one of its id was stored just now.
func (q *queue) publish(_ context.Context, m events.Message) error {
	if q.duplicate(m) {
		return nil
	}
	q.add(inStream, m.Subject, m.Header, m.Data)
	return nil
}

func (q *queue) duplicate(m events.Message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, id := time.Now(), m.Header[events.HeaderMsgID][0]
	at, stored := q.seen[id]
	if stored && now.Sub(at) < inputDedup {
		q.dropped++
		return true
	}
	if len(q.seen) > 1000 {
		maps.DeleteFunc(q.seen, func(_ string, at time.Time) bool { return now.Sub(at) >= inputDedup })
	}
	q.seen[id] = now
	return false
}

func (q *queue) add(stream, subject string, header map[string][]string, data []byte) {
	q.mu.Lock()
	q.stored++
	q.open++
	m := &inbox.Message{
		Stream: stream, Subject: subject, Header: header, Data: data, Sequence: q.stored, StoredAt: q.clock.now(),
	}
	q.mu.Unlock()
	q.deliver(m)
}

// deliver hands a message to the next running worker.
func (q *queue) deliver(m *inbox.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stopping:
		return
	case len(q.workers) == 0:
		q.waiting = append(q.waiting, m)
		return
	}
	q.turn++
	w := q.workers[q.turn%len(q.workers)]
	m.Delivered++
	delivery := *m
	w.handling.Go(func() { q.settle(m, w.handle(&delivery)) })
}

// settle does what the bus does with a verdict.
func (q *queue) settle(m *inbox.Message, v inbox.Verdict) {
	if v.Kind == inbox.KindLater {
		time.AfterFunc(max(v.After, time.Millisecond), func() { q.deliver(m) })
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	if v.Kind == inbox.KindDead {
		q.letters = append(q.letters, DeadLetter{m.Subject, v.Reason, v.Field, time.Now()})
	}
}

func poison(m *inbox.Message) bool {
	return m.Delivered > poisonDeliveries && time.Since(m.StoredAt) > poisonAge
}

// join lets a worker take messages, those that wait first.
func (q *queue) join(w *Worker) {
	q.mu.Lock()
	q.workers = append(q.workers, w)
	waiting := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	for _, m := range waiting {
		q.deliver(m)
	}
}

// leave ends that; what the worker has it keeps.
func (q *queue) leave(w *Worker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.workers {
		if other == w {
			q.workers = append(q.workers[:i:i], q.workers[i+1:]...)
			return
		}
	}
}

func (q *queue) running() []*Worker {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]*Worker(nil), q.workers...)
}

func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopping = true
}

// unsettled counts the messages that are stored and not settled.
func (q *queue) unsettled() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open
}
