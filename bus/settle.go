package bus

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/inbox"
)

// The acknowledgements of JetStream, as they stand on the wire.
var (
	ack        = []byte("+ACK")
	inProgress = []byte("+WPI")
	nakNow     = []byte("-NAK")
)

func nakAfter(d time.Duration) []byte { return fmt.Appendf(nil, `-NAK {"delay": %d}`, d.Nanoseconds()) }
func term(reason string) []byte       { return []byte("+TERM " + reason) }

// take settles a message at a look, or starts its handler; started says that it
// took the slot reserved for it, back that it only goes round. look is the caller's:
// it holds the message for as long as that takes.
func (c *Consumer) take(raw *nats.Msg, look *delivery, one *one) (started, back bool) {
	if err := look.read(raw); err != nil {
		c.log.Error("received what no consumer sends", "subject", raw.Subject, "error", err)
		return false, false
	}
	verdict, settled := c.peek(look)
	if settled && verdict.Kind != inbox.KindDead {
		c.answer(look, verdict)
		return false, verdict.Kind == inbox.KindLater
	}
	d := new(delivery)
	*d = *look
	d.one = one
	c.beats.add(d)
	c.handlers.run(func() { c.handle(d, verdict, settled) })
	return true, false
}

// handle waits for the slot, decides unless Peek did, and settles.
func (c *Consumer) handle(d *delivery, verdict inbox.Verdict, settled bool) {
	if !c.slots.start(d.one != nil) {
		d.one.over(false)
		c.beats.remove(d)
		c.putBack(d.raw)
		return
	}
	defer d.one.over(true)
	defer c.slots.end()
	if !settled {
		verdict = c.decide(d)
	}
	c.settle(d, verdict)
}

func (c *Consumer) decide(d *delivery) (verdict inbox.Verdict) {
	if c.poison(d) {
		return inbox.Dead(reasonPoison, "")
	}
	defer c.guard(d, &verdict)
	ctx := inbox.WithSlot(c.ctx, &seat{slots: c.slots})
	return c.spec.Handler.Handle(ctx, &d.msg)
}

func (c *Consumer) peek(d *delivery) (verdict inbox.Verdict, settled bool) {
	settled = true // what stands after a panic
	defer c.guard(d, &verdict)
	return c.spec.Handler.Peek(&d.msg)
}

// guard turns a handler's panic into a redelivery. Deferred.
func (c *Consumer) guard(d *delivery, verdict *inbox.Verdict) {
	if r := recover(); r != nil {
		c.logPanic(d, r)
		*verdict = c.retry()
	}
}

func (c *Consumer) logPanic(d *delivery, r any) {
	c.log.Error("handler panicked", "subject", d.msg.Subject, "sequence", d.msg.Sequence,
		"panic", panicText(r), "stack", string(debug.Stack()))
}

// panicText leaves out the panic's value, which may hold anything a handler had in
// its hands; what the runtime itself raises says nothing secret.
func panicText(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", r)
}

// retry is the verdict on what failed for no known reason: as if it had timed out.
func (c *Consumer) retry() inbox.Verdict { return inbox.Later(c.bus.cfg.Budget.AckWait) }

// settle maps a verdict to what the server is told, and ends the heartbeats just before.
func (c *Consumer) settle(d *delivery, verdict inbox.Verdict) {
	if verdict.Kind == inbox.KindDead {
		if err := c.bury(d, verdict); err != nil {
			c.log.Error("dead letter not stored: the message stays", "subject", d.msg.Subject, "sequence", d.msg.Sequence, "error", err)
			verdict = c.retry()
		} else {
			c.log.Warn("dead letter: the message is given up", "subject", d.msg.Subject, "sequence", d.msg.Sequence,
				"reason", verdict.Reason, "field", verdict.Field, "deliveries", d.msg.Delivered)
		}
	}
	c.beats.remove(d)
	c.answer(d, verdict)
	if c.spec.Settled != nil {
		c.spec.Settled(&d.msg, verdict)
	}
}

// answer tells the server. An answer that is lost costs a redelivery, no more:
// every effect is durable before, and every effect can be repeated.
func (c *Consumer) answer(d *delivery, verdict inbox.Verdict) {
	var body []byte
	switch verdict.Kind {
	case inbox.KindDone:
		body = ack
	case inbox.KindDead:
		body = term(verdict.Reason)
	default:
		body = c.nak(verdict.After)
	}
	if err := d.respond(body); err != nil {
		c.log.Warn("not settled: the message will be redelivered", "subject", d.msg.Subject, "sequence", d.msg.Sequence, "error", err)
	}
}

// nak delays by AckWait where no delay is given: a nak without delay redelivers
// at once, and a verdict that somebody forgot would spin.
func (c *Consumer) nak(after time.Duration) []byte {
	if after <= 0 {
		after = c.bus.cfg.Budget.AckWait
	}
	return nakAfter(after)
}

// putBack returns a message that was not started, for anyone to take: at once, or
// where this consumer pauses a little later, for others may be about to pause too.
func (c *Consumer) putBack(raw *nats.Msg) {
	body := nakNow
	if c.slots.isPaused() {
		body = nakAfter(c.bus.cfg.Budget.LockTTL / 10)
	}
	if err := raw.Respond(body); err != nil {
		c.log.Debug("not put back: the message will be redelivered", "subject", raw.Subject, "error", err)
	}
}

// bury stores the dead letter. It must not be cut short by a stop.
func (c *Consumer) bury(d *delivery, verdict inbox.Verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.bus.cfg.Budget.AckWait)
	defer cancel()
	return c.bus.bury(ctx, c.letter(d, verdict))
}
