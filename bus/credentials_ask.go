package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
)

// errMissed means that the connection broke while answers were waited for: there
// may have been one.
var errMissed = errors.New("the connection to NATS was lost meanwhile; ask again")

// askPending bounds the answers that wait to be opened: any number may be sent.
const askPending, askPendingBytes = 64, 4 << 20

// AskCredentials asks the owners of sessions for a link's credentials and returns
// the first that open. It waits until ctx ends, or for one AckWait where ctx has no
// deadline; after a refusal only a tenth of a LockTTL more, in case that the session
// is over for one owner and another has a new one.
//
// credentials.ErrNobody, ErrNoAnswer and ErrRefused say that there are none now.
// Any other error says that NATS did not carry the question, or that ctx was
// cancelled: nothing is known of the session then.
func (b *Bus) AskCredentials(ctx context.Context, a events.Address, generation uint64) (credentials.Credential, error) {
	c, err := b.askCredentials(ctx, a, generation)
	if err != nil {
		return credentials.Credential{}, fmt.Errorf("ask for the credentials of %s: %w", a, err)
	}
	return c, nil
}

func (b *Bus) askCredentials(ctx context.Context, a events.Address, generation uint64) (credentials.Credential, error) {
	ctx, cancel := b.limited(ctx)
	defer cancel()
	expires, _ := ctx.Deadline()
	ask, key, err := credentials.NewAsk(a, generation, expires)
	if err != nil {
		return credentials.Credential{}, err
	}
	data, err := json.Marshal(ask)
	if err != nil {
		return credentials.Credential{}, err
	}
	before := b.conn.Stats().Reconnects
	g, err := b.spread(b.names.Subjects().Credentials(a), data, key)
	if err != nil {
		return credentials.Credential{}, b.explain(err)
	}
	defer g.end()
	c, err := g.first(ctx, b.cfg.Budget.LockTTL/10)
	if g.unopened > 0 {
		b.log.Warn("answers to an ask for credentials did not open; see who may subscribe to its subject", "link", a, "answers", g.unopened)
	}
	if errors.Is(err, credentials.ErrNoAnswer) && (!b.conn.IsConnected() || b.conn.Stats().Reconnects != before) {
		err = errMissed
	}
	return c, err
}

// limited gives ctx a deadline if it has none.
func (b *Bus) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, b.cfg.Budget.AckWait)
}

// gathering is the answers to one ask as they come in.
type gathering struct {
	sub      *nats.Subscription
	key      *credentials.Key
	refused  bool
	unopened int
}

// spread sends an ask to whoever listens. It is not a Request of NATS, which takes
// the first reply for the only one.
func (b *Bus) spread(subject string, data []byte, key *credentials.Key) (*gathering, error) {
	inbox := b.conn.NewInbox()
	sub, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	g := &gathering{sub: sub, key: key}
	if err := errors.Join(sub.SetPendingLimits(askPending, askPendingBytes), b.conn.PublishRequest(subject, inbox, data)); err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

func (g *gathering) end() { _ = g.sub.Unsubscribe() } // fails only where the connection is gone

// first is the first good answer. One owner's refusal stands unless another brings
// one within the grace.
func (g *gathering) first(ctx context.Context, grace time.Duration) (credentials.Credential, error) {
	c, err := g.next(ctx)
	if !errors.Is(err, credentials.ErrRefused) {
		return c, noCredentials(ctx, err)
	}
	soon, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if c, late := g.next(soon); late == nil {
		return c, nil
	}
	return credentials.Credential{}, err
}

// next is the next good answer, or the first refusal. What does not open is passed
// over: one broken owner must not speak for the others.
func (g *gathering) next(ctx context.Context) (credentials.Credential, error) {
	for {
		msg, err := g.sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // there were too many; those that were kept are looked at
		}
		if err != nil {
			return credentials.Credential{}, err
		}
		c, err := g.key.OpenAnswer(msg.Data)
		refused := errors.Is(err, credentials.ErrRefused)
		switch {
		case err == nil, refused && !g.refused:
			g.refused = refused
			return c, err
		case !refused:
			g.unopened++
		}
	}
}

// noCredentials says why no answer was good.
func noCredentials(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return credentials.ErrNobody
	case errors.Is(err, context.Canceled):
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return credentials.ErrNoAnswer
	}
	return err
}
