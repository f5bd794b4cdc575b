package fleet_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// crowd is how many links are due at once: REGRANT_LINKS, or few enough for every run.
func crowd() int {
	if n, err := strconv.Atoi(os.Getenv("REGRANT_LINKS")); err == nil && n > 0 {
		return n
	}
	return 300
}

// troubledTTL makes probes come every twelve seconds.
const troubledTTL = 2 * time.Second

// troubled is a cell with due links at op, whose app is about to have trouble, and
// with a few at another provider.
type troubled struct {
	*testing.T
	ctx         context.Context
	cell        *fleet.Cell
	made, other []fleet.Link
}

func trouble(t *testing.T, rate providers.Rate) troubled {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	op, other := hostile(t), hostile(t)
	// The provider allows twice what we take it to allow: calls that were let through evenly
	// arrive in bunches where the machine is busy. All of the links at once it refuses still.
	op.Profile.Rate, op.Behaviour.Rate = rate, providertest.Rate{Limit: 2 * rate.Limit, Window: rate.Window}
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: troubledTTL,
		Providers: map[string]fleet.Provider{"op": op, "other": other}, Log: testenv.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cell.Close(context.Background()) })
	c := troubled{T: t, ctx: ctx, cell: cell}
	c.made, c.other = c.imports("op", crowd()), c.imports("other", 100)
	return c
}

// workers start once everything is due.
func (c troubled) workers() (stop func()) {
	c.Helper()
	var all []*worker.Worker
	stop = func() {
		for _, w := range all {
			_ = w.Stop(context.Background())
		}
	}
	c.Cleanup(stop)
	for i := range 4 {
		w, err := c.cell.Start(c.ctx, fmt.Sprint("worker-", i), nil)
		if err != nil {
			c.Fatal(err)
		}
		all = append(all, w)
	}
	return stop
}

// timed is how long it takes from the first report until the last of the links is at
// the next generation.
func (c troubled) timed(made []fleet.Link, generation uint64) time.Duration {
	c.Helper()
	began := time.Now()
	c.report(made, generation)
	c.rotated(30*time.Second, made, generation+1)
	return time.Since(began)
}

func (c troubled) imports(provider string, n int) []fleet.Link {
	c.Helper()
	made, err := c.cell.Import(c.ctx, provider, n)
	if err != nil {
		c.Fatal(err)
	}
	return made
}

func (c troubled) report(made []fleet.Link, generation uint64) {
	c.Helper()
	for _, l := range made {
		m, err := c.cell.Report(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
		if err == nil {
			err = c.cell.Bus.PublishInput(c.ctx, m)
		}
		if err != nil {
			c.Fatal(err)
		}
	}
}

// rotated waits until all links are active at a generation.
func (c troubled) rotated(within time.Duration, made []fleet.Link, generation uint64) {
	c.Helper()
	left := made
	testenv.Eventually(c, within, fmt.Sprintf("all links reach generation %d", generation), func() bool {
		for len(left) > 0 {
			l, err := c.cell.Link(c.ctx, left[0].Address)
			if err != nil || l.Generation != generation || l.Status != links.Active {
				return false
			}
			left = left[1:]
		}
		return true
	})
}

// told counts the stored events of a name.
func (c troubled) told(name events.Name) (n int) {
	c.Helper()
	s, err := c.cell.Bus.JetStream().Stream(c.ctx, c.cell.Bus.Names().Out())
	if err != nil {
		c.Fatal(err)
	}
	info, err := s.Info(c.ctx, jetstream.WithSubjectFilter(c.cell.Config.NATS.Prefix+".out.*.*.*."+string(name)))
	if err != nil {
		c.Fatal(err)
	}
	for _, count := range info.State.Subjects {
		n += int(count)
	}
	return n
}

func (c troubled) presentations(f providertest.Filter) []providertest.Presentation {
	c.Helper()
	ledger, err := c.cell.Sim.Ledger()
	if err != nil {
		c.Fatal(err)
	}
	return ledger.Presentations(f)
}

// TestAWrongClientSecretCondemnsNoLink: it suspends the app, once; a link at a
// time probes, an interval apart; with the secret mended all links are refreshed, without a restart.
func TestAWrongClientSecretCondemnsNoLink(t *testing.T) {
	if testing.Short() {
		t.Skip("a probe comes once an interval")
	}
	t.Parallel()
	c := trouble(t, providers.Rate{})
	right := c.cell.Sim.Endpoints("op").ClientSecret
	c.cell.Sim.SetSecrets("op", "another-secret-of-the-same-app-0123456789")
	c.report(c.made, 1)
	c.workers()
	testenv.Eventually(t, 30*time.Second, "the app is suspended", func() bool { return c.told(events.NameAppSuspended) == 1 })
	interval := budget.Of(troubledTTL).Probe
	refused := providertest.Filter{Provider: "op", Outcome: providertest.Client}
	testenv.Eventually(t, 90*time.Second, "a probe is made", func() bool {
		first := c.presentations(refused)
		return first[len(first)-1].At.Sub(first[0].At) > interval/2
	})
	calls := c.presentations(refused)
	soon := 0
	for _, p := range calls {
		if p.At.Sub(calls[0].At) < interval {
			soon++
		}
	}
	if soon > 5 {
		t.Errorf("%d calls in the first interval of a wrong secret, want 5 at most", soon)
	}
	if n := c.told(events.NameConsentRequired); n != 0 {
		t.Errorf("%d links were condemned for our own fault", n)
	}
	c.cell.Sim.SetSecrets("op", right)
	c.rotated(4*time.Minute, c.made, 2)
	if s, r := c.told(events.NameAppSuspended), c.told(events.NameAppResumed); s != 1 || r != 1 {
		t.Errorf("%d suspensions and %d resumptions were announced", s, r)
	}
	t.Logf("%d links, %d calls with the wrong secret, all refreshed after it was mended", len(c.made), len(calls))
}

// TestAThrottledAppIsLeftAlone: 429 with Retry-After is heard by the whole fleet,
// the rate is kept afterwards, no token is lost, and another provider's links do
// not notice.
func TestAThrottledAppIsLeftAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as the provider asks to be left alone")
	}
	t.Parallel()
	rate := providers.Rate{Limit: 20 + crowd()/10, Window: time.Second}
	c := trouble(t, rate)
	stop := c.workers()
	alone := c.timed(c.other, 1)
	stop()
	c.report(c.made, 1)
	c.workers()
	asked, began := 10*time.Second, time.Now()
	c.cell.Sim.Throttle("op", began.Add(asked))
	beside := c.timed(c.other, 2)
	if limit := 3*alone + time.Second; beside > limit {
		t.Errorf("another provider's links took %s, and %s alone", beside, alone)
	}
	c.rotated(4*time.Minute, c.made, 2)
	throttled := c.presentations(providertest.Filter{Provider: "op", Outcome: providertest.Throttled})
	if most := 4 * 64; len(throttled) > most {
		t.Errorf("%d calls were answered 429, want no more than were under way at first, %d", len(throttled), most)
	}
	for _, p := range throttled {
		if p.At.After(began.Add(asked)) {
			t.Errorf("the rate was exceeded %s after the pause", p.At.Sub(began)-asked)
			break
		}
	}
	if taken := c.presentations(providertest.Filter{Provider: "op", Outcome: providertest.OK}); len(taken) != len(c.made) {
		t.Errorf("%d tokens were taken of %d links", len(taken), len(c.made))
	}
	t.Logf("%d links: %d calls answered 429; the slowest of the others' took %s, and %s alone",
		len(c.made), len(throttled), beside.Round(time.Millisecond), alone.Round(time.Millisecond))
}
