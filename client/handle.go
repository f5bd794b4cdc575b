package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// reasonHandler is the reason of a dead letter whose handler failed.
const reasonHandler = "handler_failed"

// handle brings one event to its end: acknowledged, put off, or given up. unread is
// why it could not be read.
func (s *subscription) handle(m jetstream.Msg, d Delivery, unread error) {
	if s.turns.stopped() {
		s.settle(d, m.Nak) // not begun: somebody else's at once
		return
	}
	err := unread
	if err == nil {
		err = s.once(&d)
	}
	switch {
	case err == nil:
		s.settle(d, m.Ack)
	case s.ctx.Err() != nil: // cut short, and no failure of the event's
		s.settle(d, m.Nak)
	case unread == nil && !errors.Is(err, ErrPermanent) && d.Attempt < s.cfg.MaxAttempts:
		s.putOff(m, d, err)
	default:
		s.giveUp(m, d, err)
	}
}

// once calls the handler, unless the event was handled before.
func (s *subscription) once(d *Delivery) error {
	seen, err := s.cfg.Seen.Has(s.ctx, d.Key)
	if err != nil {
		return fmt.Errorf("whether the event was handled is not known: %w", err)
	}
	if seen {
		return nil
	}
	last, _ := s.last.Get(d.Address)
	d.Late = d.Number < last
	if err := s.call(*d); err != nil {
		return err
	}
	s.last.Add(d.Address, max(last, d.Number))
	if err := s.cfg.Seen.Add(s.ctx, d.Key); err != nil {
		s.log.Warn("event handled and not remembered", "event", d.Key.ID, "error", err)
	}
	return nil
}

// call turns a panic, whose value may hold anything, into an error.
func (s *subscription) call(d Delivery) (err error) {
	r, ok := s.routes[d.Name]
	if !ok {
		r = s.routes[""]
	}
	if r.do == nil {
		return nil // the subscription's filter was wider before
	}
	ctx, end := s.client.cfg.Tracing.handling(s.ctx, d)
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("handler panicked", "event", d.Key.ID, "panic", panicText(r), "stack", string(debug.Stack()))
			err = errors.New("the handler panicked: see the log")
		}
		end(failed(err))
	}()
	return r.do(ctx, d)
}

func panicText(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", r)
}

func (s *subscription) putOff(m jetstream.Msg, d Delivery, err error) {
	pause := max(s.cfg.Backoff(d.Attempt), 0)
	s.log.Warn("event not handled; trying again", "event", d.Key.ID, "type", d.Name, "link", d.Link,
		"attempt", d.Attempt, "after", pause, "error", err)
	s.settle(d, func() error { return m.NakWithDelay(pause) })
}

// giveUp makes a dead letter, and puts the event off where that fails.
func (s *subscription) giveUp(m jetstream.Msg, d Delivery, cause error) {
	bury := s.bury
	if s.cfg.DeadLetter != nil {
		bury = s.cfg.DeadLetter
	}
	if err := bury(s.ctx, d, cause); err != nil {
		s.putOff(m, d, fmt.Errorf("dead letter not stored: %w", err))
		return
	}
	s.log.Error("event given up", "event", d.Key.ID, "type", d.Name, "link", d.Link, "sequence", d.Sequence,
		"attempts", d.Attempt, "error", cause)
	s.settle(d, func() error { return m.TermWithReason(reasonHandler) })
}

// bury stores a reference to the event, as the workers do for an input. Each
// subscription has a letter of its own.
func (s *subscription) bury(ctx context.Context, d Delivery, cause error) error {
	names := s.client.bus.Names()
	letter := bus.DeadLetter{
		Stream: names.Out(), Sequence: d.Sequence, Subject: s.client.subjects.Out(d.Address, d.Name), Reason: reasonHandler,
		Deliveries: uint64(d.Attempt), First: d.StoredAt.UTC(), Last: s.client.cfg.Now().UTC(), Worker: s.client.durable(s.cfg.Name),
	}
	if bad := (*events.Invalid)(nil); errors.As(cause, &bad) {
		letter.Reason, letter.Field = bad.Reason, bad.Field
	}
	body, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.cfg.AckWait, time.Second))
	defer cancel()
	return s.client.bus.PublishOutput(ctx, events.Message{
		Subject: s.client.subjects.DeadOf(letter.Subject), Data: body,
		Header: map[string][]string{
			events.HeaderMsgID:       {fmt.Sprintf("%s:%d:%s", letter.Stream, d.Sequence, letter.Worker)},
			events.HeaderContentType: {"application/json"},
			events.HeaderReason:      {letter.Reason},
		},
	})
}

// settle tells the server. It is not held any more from before then: it may come again
// at once. What is lost on the way comes again too.
func (s *subscription) settle(d Delivery, tell func() error) {
	s.held.remove(d.Sequence)
	if err := tell(); err != nil {
		s.log.Warn("not settled: the event will come again", "link", d.Link, "sequence", d.Sequence, "error", err)
	}
}
