package judge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/providers/providertest"
)

// Judge reads everything and holds it against every rule. An error means that it
// could not be read, which says nothing about the promises.
func Judge(ctx context.Context, s Sources) (Report, error) {
	h, err := Read(ctx, s)
	if err != nil {
		return Report{}, fmt.Errorf("judge: %w", err)
	}
	return h.report(), nil
}

// Read collects the history that Judge judges.
func Read(ctx context.Context, s Sources) (h *History, err error) {
	ledger, err := providertest.OpenLedger(s.Ledger)
	if err != nil {
		return nil, err
	}
	b, err := bus.Connect(ctx, bus.Config{URL: s.NATSURL, Prefix: s.Prefix, Name: fmt.Sprintf("judge-%d", os.Getpid()), Role: "operator"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	h = &History{Sources: s, Presentations: ledger.Presentations(providertest.Filter{})}
	r := reader{History: h, bus: b}
	steps := []func(context.Context) error{r.records, r.flows, r.inputs, r.outputs, r.letters, r.timers, r.backlogs}
	if s.LockOnly {
		steps = []func(context.Context) error{r.bare, r.inputs, r.outputs, r.backlogs}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// reader fills a History from one cell.
type reader struct {
	*History
	bus *bus.Bus
}

// backlogs asks every consumer of the run's providers.
func (r reader) backlogs(ctx context.Context) error {
	n := r.bus.Names()
	for provider := range r.Rules {
		of := map[string]string{n.WorkerConsumer(provider): n.In(), n.DueConsumer(provider): n.Timer()}
		if r.LockOnly {
			delete(of, n.DueConsumer(provider))
		}
		for durable, stream := range of {
			c, err := r.bus.JetStream().Consumer(ctx, stream, durable)
			if err != nil {
				return fmt.Errorf("consumer %s: %w", durable, err)
			}
			i := c.CachedInfo()
			r.Backlogs = append(r.Backlogs, Backlog{Consumer: durable, Pending: i.NumPending, Unacked: i.NumAckPending})
		}
	}
	return nil
}

// duration is how long the run was.
func (s Sources) duration() time.Duration { return s.End.Sub(s.Begin) }
