package stand

import (
	"context"
	"fmt"
	"time"
)

// CloseGate holds back a provider's reports: contestants start, connect and ask for
// them, and get none before OpenGate.
func (c *Cell) CloseGate(ctx context.Context, at string) error {
	n := c.Bus.Names()
	_, err := c.Bus.JetStream().PauseConsumer(ctx, n.In(), n.WorkerConsumer(at), time.Now().Add(time.Hour))
	return err
}

// opening is how long the gate takes to open. The server wakes waiting requests
// where a pause runs out, and does not where it is taken back.
const opening = 50 * time.Millisecond

// OpenGate lets them go, and returns when.
func (c *Cell) OpenGate(ctx context.Context, at string) (time.Time, error) {
	n := c.Bus.Names()
	opens := time.Now().Add(opening)
	_, err := c.Bus.JetStream().PauseConsumer(ctx, n.In(), n.WorkerConsumer(at), opens)
	return opens, err
}

// look is how often progress is looked at.
const look = 5 * time.Millisecond

// Drained is what became of a backlog.
type Drained struct {
	// Settled reports in Took.
	Settled int
	Took    time.Duration
}

// PerSecond is the rate.
func (d Drained) PerSecond() float64 { return float64(d.Settled) / d.Took.Seconds() }

// Drain waits until all reports of a provider are acknowledged, or for window from
// opened, and says how many are.
func (c *Cell) Drain(ctx context.Context, at string, opened time.Time, total int, window time.Duration) (d Drained, err error) {
	consumer, err := c.Bus.JetStream().Consumer(ctx, c.Bus.Names().In(), c.Bus.Names().WorkerConsumer(at))
	if err != nil {
		return d, err
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for d.Settled < total && d.Took < window {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return d, context.Cause(ctx)
		}
		info, err := consumer.Info(ctx)
		if err != nil {
			return d, fmt.Errorf("look at the progress: %w", err)
		}
		d.Took = time.Since(opened)
		d.Settled = total - int(info.NumPending) - info.NumAckPending
	}
	return d, nil
}
