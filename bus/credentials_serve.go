package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
)

const (
	// ownerSlots bounds how many asks an owner answers at once.
	ownerSlots = 16
	// ownerPending bounds the asks that wait for a slot.
	ownerPending, ownerPendingBytes = 4096, 4 << 20
)

// Owner gives the credentials of a link from the session that it holds.
//
// credentials.ErrRefused says that the session is over, and is told to whoever
// asks. After any other error this process is silent, because another may hold the
// session; credentials.ErrNotMine says just that. An error's text goes nowhere. It
// is called from many goroutines at once, and ctx ends after one AckWait, when
// nobody waits any more, or when the serving stops.
type Owner func(ctx context.Context, a credentials.Ask) (credentials.Credential, error)

// ServeCredentials answers asks for the links that which selects; an empty part
// means any. Every owner that listens gets every ask: they share no queue, since
// only one may hold the session. Serving ends with ctx or with stop, which waits
// for the calls under way and must be called in either case.
func (b *Bus) ServeCredentials(ctx context.Context, which events.Address, give Owner) (stop func(), err error) {
	subject := b.names.Subjects().CredentialsFilter(which)
	o := &owner{bus: b, give: give, slots: make(chan struct{}, ownerSlots), over: make(chan struct{})}
	o.ctx, o.cancel = context.WithCancel(ctx)
	sub, err := b.conn.Subscribe(subject, o.take)
	if err != nil {
		o.cancel()
		return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	sub.SetClosedHandler(func(string) { close(o.over) })
	context.AfterFunc(o.ctx, func() { _ = sub.Unsubscribe() }) // fails only where it is over already
	settled, cancel := context.WithTimeout(o.ctx, b.cfg.Budget.AckWait)
	defer cancel()
	err = errors.Join(sub.SetPendingLimits(ownerPending, ownerPendingBytes), b.conn.FlushWithContext(settled))
	if err != nil {
		o.stop()
		return nil, fmt.Errorf("subscribe to %s: %w", subject, b.explain(err))
	}
	return o.stop, nil
}

// owner is one subscription to asks.
type owner struct {
	bus    *Bus
	give   Owner
	slots  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	over   chan struct{} // closed: no ask is taken any more
	calls  sync.WaitGroup
}

// stop returns when the server knows, where there is one: an ask that nobody
// listens for is told so at once.
func (o *owner) stop() {
	o.cancel()
	<-o.over
	o.calls.Wait()
	if !o.bus.conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.bus.cfg.Budget.Heartbeat)
	defer cancel()
	_ = o.bus.conn.FlushWithContext(ctx) // fails only where the server will find out by itself
}

// take is called for one ask after the other, and waits for a slot.
func (o *owner) take(msg *nats.Msg) {
	select {
	case o.slots <- struct{}{}:
	case <-o.ctx.Done():
		return
	}
	o.calls.Go(func() {
		defer func() { <-o.slots }()
		o.answer(msg)
	})
}

func (o *owner) answer(msg *nats.Msg) {
	ask, err := o.read(msg)
	if err != nil {
		o.bus.log.Warn("an ask for credentials is not answered", "subject", msg.Subject, "error", err)
		return
	}
	log := o.bus.log.With("tenant", ask.Tenant, "provider", ask.Provider, "link", ask.Link)
	reply, ok := o.reply(ask, log)
	if !ok {
		return
	}
	if err := o.bus.conn.Publish(msg.Reply, reply); err != nil {
		log.Warn("credentials not sent", "error", err)
	}
}

// read takes an ask only for the link whose subject it came on: that is where the
// permission to ask was checked.
func (o *owner) read(msg *nats.Msg) (credentials.Ask, error) {
	ask, err := credentials.ParseAsk(msg.Data, o.bus.cfg.Now())
	if err != nil {
		return ask, err
	}
	address, err := o.bus.names.Subjects().ParseCredentials(msg.Subject)
	if err != nil || address != ask.Address || msg.Reply == "" {
		return ask, fmt.Errorf("%w: it is for another link than its subject, or names no place to reply to", credentials.ErrAsk)
	}
	return ask, nil
}

// reply is what to send, if anything.
func (o *owner) reply(ask credentials.Ask, log *slog.Logger) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(o.ctx, o.bus.cfg.Budget.AckWait)
	defer cancel()
	c, err := o.call(ctx, ask, log)
	var answer credentials.Answer
	switch {
	case err == nil:
		if answer.Sealed, err = ask.Seal(c); err != nil {
			log.Error("credentials cannot be sent", "error", err)
			return nil, false
		}
	case errors.Is(err, credentials.ErrRefused):
		answer.Refused = true
	case errors.Is(err, credentials.ErrNotMine):
		return nil, false
	default:
		log.Warn("the owner of the session failed; nothing is answered")
		return nil, false
	}
	data, err := json.Marshal(answer)
	return data, err == nil
}

// call turns a panic, whose value may hold anything, into silence.
func (o *owner) call(ctx context.Context, ask credentials.Ask, log *slog.Logger) (c credentials.Credential, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("the owner of the session panicked", "panic", panicText(r), "stack", string(debug.Stack()))
			err = credentials.ErrNotMine
		}
	}()
	return o.give(ctx, ask)
}
