package worker_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit bounds waits. No machine is too slow for it, and nothing waits for it when well.
const limit = time.Minute

// newCell makes a cell at a provider with one-time refresh tokens.
func newCell(t *testing.T, nats string) *fleet.Cell {
	t.Helper()
	p, err := providers.Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.Rotation, p.MinInterval, p.RenewAt = providers.RotationAlways, 0, 0.8
	c, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: nats, RedisURL: testenv.Redis(t), LockTTL: time.Second, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: p}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, c.Close) })
	return c
}

func closeWithin(t *testing.T, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, c *fleet.Cell, id string, change func(*worker.Options)) *worker.Worker {
	t.Helper()
	w, err := c.Start(t.Context(), id, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, w.Stop) })
	return w
}

func imported(t *testing.T, c *fleet.Cell, n int) []fleet.Link {
	t.Helper()
	made, err := c.Import(t.Context(), "op", n)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func report(t *testing.T, c *fleet.Cell, l fleet.Link) {
	t.Helper()
	m, err := c.Report(events.TokenExpired{Address: l.Address, Generation: 1, Reason: events.ReasonUnauthorized})
	if err == nil {
		err = c.Bus.PublishInput(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, c *fleet.Cell, a events.Address) links.Link {
	t.Helper()
	l, err := c.Link(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func awaitGeneration(t *testing.T, c *fleet.Cell, a events.Address, want uint64) {
	t.Helper()
	testenv.Eventually(t, limit, "the link is rotated and it is announced", func() bool {
		l, err := c.Link(t.Context(), a)
		if err != nil || l.Generation != want {
			return false
		}
		last, err := c.Bus.LastOutput(t.Context(), a)
		return err == nil && last == l.EventNumber
	})
}

func presentations(t *testing.T, c *fleet.Cell) int {
	t.Helper()
	ledger, err := c.Sim.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	return len(ledger.Presentations(providertest.Filter{}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
