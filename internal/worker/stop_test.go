package worker_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
	"github.com/regrant/regrant/spool"
)

// waited is a context that tells each time somebody begins to wait for its end.
type waited struct {
	context.Context
	asked chan struct{}
}

func (w waited) Done() <-chan struct{} {
	select {
	case w.asked <- struct{}{}:
	default:
	}
	return w.Context.Done()
}

func TestStopFinishesWhatIsInFlightAndTakesNothingNew(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	made := imported(t, c, 2)
	arrived, hold := make(chan providertest.Presentation), make(chan struct{})
	c.Sim.Script("op", providertest.Fault{When: providertest.After, Kind: providertest.Delay, Arrived: arrived, Hold: hold})
	w := start(t, c, "a", nil)
	report(t, c, made[0])
	<-arrived

	// Both consumers wait for their end: neither pulls any more.
	ctx := waited{t.Context(), make(chan struct{}, 2)}
	stopped := make(chan error)
	go func() { stopped <- w.Stop(ctx) }()
	<-ctx.asked
	<-ctx.asked
	report(t, c, made[1])
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a call in flight: %v", err)
	default:
	}
	close(hold)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}

	if l := link(t, c, made[0].Address); l.Generation != 2 || l.Status != links.Active {
		t.Errorf("the call in flight was not saved: generation %d, %s", l.Generation, l.Status)
	}
	if last, err := c.Bus.LastOutput(t.Context(), made[0].Address); err != nil || last != 2 {
		t.Errorf("the call in flight was not announced: last event %d, %v", last, err)
	}
	if n := presentations(t, c); n != 1 {
		t.Errorf("%d presentations, want 1: a stopping worker took new work", n)
	}
	start(t, c, "b", nil)
	awaitGeneration(t, c, made[1].Address, 2)
	if n := presentations(t, c); n != 2 {
		t.Errorf("%d presentations, want 2", n)
	}
}

func TestStopTwiceAndStartAgain(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	w := start(t, c, "a", nil)
	if _, err := c.Start(t.Context(), "a", nil); !errors.Is(err, spool.ErrLocked) {
		t.Fatalf("a second worker of the same name: %v, want spool.ErrLocked", err)
	}
	for range 2 {
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if again := start(t, c, "a", nil); again.Ready() != nil {
		t.Fatalf("not ready: %v", again.Ready())
	}
}

// An error of Start leaves nothing running; goleak looks.
func TestStartFailsWhole(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	ended, end := context.WithCancel(t.Context())
	end()
	if w, err := c.Start(ended, "a", nil); err == nil || w != nil {
		t.Errorf("with a context that had ended: %v, %v", w, err)
	}
	_, err := c.Start(t.Context(), "a", func(o *worker.Options) { o.Config.NATS.Prefix = "elsewhere" })
	if !errors.Is(err, bus.ErrNotProvisioned) {
		t.Errorf("in a cell that is not provisioned: %v", err)
	}
	if w, err := c.Start(t.Context(), "a/b", nil); err == nil || w != nil {
		t.Errorf("with a name that is no directory: %v, %v", w, err)
	}
}

// A worker that must go at once leaves what it saved on disk. Its sibling
// commits it: the provider is not asked again.
func TestOrphanedAnswerIsAdopted(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	l := imported(t, c, 1)[0]
	saved, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	w, err := c.Start(t.Context(), "dead", func(o *worker.Options) { o.Probe = dieAt(handlers.StepCommit, saved, end) })
	if err != nil {
		t.Fatal(err)
	}
	report(t, c, l)
	<-saved
	dead, kill := context.WithCancel(t.Context())
	kill()
	if err := w.Stop(dead); err == nil {
		t.Fatal("stopped well, with an answer that was not committed")
	}
	if got := link(t, c, l.Address); got.Generation != 1 || got.Status != links.Refreshing {
		t.Fatalf("generation %d, %s before the adoption", got.Generation, got.Status)
	}
	start(t, c, "sibling", nil)
	awaitGeneration(t, c, l.Address, 2)
	if n := presentations(t, c); n != 1 {
		t.Errorf("%d presentations, want 1", n)
	}
}

// dieAt keeps the first handler that comes before a step until the end, and
// then ends it there: what would follow never runs.
func dieAt(step handlers.Step, reached chan<- struct{}, end <-chan struct{}) handlers.Probe {
	return func(s handlers.Step, w handlers.When, _ events.Address) {
		if s == step && w == handlers.Before {
			close(reached)
			<-end
			runtime.Goexit()
		}
	}
}

// A record whose timer was never armed and whose event was never published, by
// a writer that is gone: the next worker's first scan finds both.
func TestReconcilerFinishesWhatWasCommitted(t *testing.T) {
	c := newCell(t, testenv.NATS(t))
	im := worker.Importer(c.Config, c.Bus, c.Store, c.Keys, time.Now)
	im.Timers, im.Outputs = lostTimers{}, lostOutputs{}
	l := events.Address{Tenant: "default", Provider: "op", Link: "found-by-scan"}
	g := c.Sim.Issue("op", "sub")
	if err := im.Import(t.Context(), handlers.ImportLine{
		Address: l, User: "u", Access: secret.New(g.AccessToken), Refresh: secret.New(g.RefreshToken), ExpiresAt: g.ExpiresAt,
	}); err != nil {
		t.Fatal(err)
	}
	if last, err := c.Bus.LastOutput(t.Context(), l); err != nil || last != 0 {
		t.Fatalf("announced already: %d %v", last, err)
	}
	start(t, c, "a", nil)
	testenv.Eventually(t, limit, "the event is stored and the timer armed", func() bool {
		last, err := c.Bus.LastOutput(t.Context(), l)
		if err != nil || last != 1 {
			return false
		}
		number, ok, err := c.Bus.Armed(t.Context(), l)
		return err == nil && ok && number == 1
	})
	if n := presentations(t, c); n != 0 {
		t.Errorf("%d presentations for a link that is not due", n)
	}
}

// What is lost is what a crash between commit and outbox leaves undone.
type (
	lostTimers  struct{}
	lostOutputs struct{}
)

func (lostTimers) Arm(context.Context, events.Address, uint64, time.Time) error { return nil }

func (lostOutputs) Publish(context.Context, events.Message) error        { return nil }
func (lostOutputs) Last(context.Context, events.Address) (uint64, error) { return 0, nil }
