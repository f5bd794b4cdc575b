package demo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/links"
)

// pollEvery is how often the wait for the end looks.
const pollEvery = 50 * time.Millisecond

// countRotations counts token-rotated events as subscribers see them.
func (s *stage) countRotations(ctx context.Context) (n *atomic.Int64, stop func(), err error) {
	n = &atomic.Int64{}
	stop, err = s.cell.Bus.Live(ctx, func(_ events.Address, header map[string][]string) {
		if generation, ok := events.GenerationOf(header); ok && generation > 1 {
			n.Add(1)
		}
	})
	return n, stop, err
}

// settle waits until no message is pending and no link is on its way to
// anywhere. It gives up at the limit: what is left then shows in the report.
func (s *stage) settle(ctx context.Context, o Options, made []fleet.Link, rotated *atomic.Int64) error {
	o.Progress.Begin("tokens rotated", len(made))
	defer o.Progress.End()
	limit := time.NewTimer(o.Limit)
	defer limit.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		left, err := s.left(ctx, o.Providers, made)
		if err != nil {
			return err
		}
		o.Progress.Set(int(rotated.Load()))
		if left == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// left counts pending messages and, once there are none, links on their way.
func (s *stage) left(ctx context.Context, providers []string, made []fleet.Link) (int, error) {
	pending, err := s.pending(ctx, providers)
	if err != nil || pending > 0 {
		return pending, err
	}
	n := 0
	for _, l := range made {
		now, err := s.cell.Link(ctx, l.Address)
		if err != nil {
			return 0, err
		}
		if underWay(now) {
			n++
		}
	}
	return n, nil
}

// underWay says that a reported link will still change by itself: it waits for
// an answer, for a retry, or for the keys to verify an answer.
func underWay(l links.Link) bool {
	switch l.Status {
	case links.Active:
		return l.Generation == 1
	case links.Refreshing, links.Uncertain, links.Unverified:
		return true
	default:
		return false
	}
}

// pending counts what the workers have not been given, or have not settled.
func (s *stage) pending(ctx context.Context, providers []string) (int, error) {
	names, js, n := s.cell.Bus.Names(), s.cell.Bus.JetStream(), 0
	for _, p := range providers {
		for stream, durable := range map[string]string{names.In(): names.WorkerConsumer(p), names.Timer(): names.DueConsumer(p)} {
			of, err := js.Consumer(ctx, stream, durable)
			if err != nil {
				return 0, err
			}
			n += waiting(of.CachedInfo())
		}
	}
	return n, nil
}

func waiting(i *jetstream.ConsumerInfo) int { return int(i.NumPending) + i.NumAckPending }
