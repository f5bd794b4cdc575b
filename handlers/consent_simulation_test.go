package handlers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
)

// consentSeeds is how many interleavings go test runs. REGRANT_SEEDS sets another
// number, REGRANT_SEED=n runs one: the failing seed stands in the test's name.
const consentSeeds = 1_000

// TestConsentSimulation lets three workers handle the consents, reports, decisions
// and logouts of two users with three logins while a seed chooses what happens next
// and what goes wrong, lets everything come to rest without further faults, and
// holds the result against what one consent after the other would have led to.
func TestConsentSimulation(t *testing.T) {
	first, n := uint64(1), uint64(consentSeeds)
	if testing.Short() {
		n = consentSeeds / 12
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEEDS"), 10, 64); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	const lanes = 2
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprint("lane=", lane), func(t *testing.T) {
			t.Parallel()
			for seed := first + lane; seed < first+n; seed += lanes {
				if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { simulateConsents(t, seed) })
				}) {
					t.Errorf("to see it again: REGRANT_SEED=%d REGRANT_TRACE=1 go test ./handlers/ -run TestConsentSimulation", seed)
					return
				}
			}
		})
	}
}

// consentRun is a run of one seed.
type consentRun struct {
	*cell
	random  *rand.Rand
	faults  int
	workers []*process
	users   []string
	logins  []*login
	left    int      // flows that may still be begun
	went    []string // who went on, and where
}

// TestAConsentSeedReproduces: else a failing one would tell nothing.
func TestAConsentSeedReproduces(t *testing.T) {
	for seed := range uint64(10) {
		var first, second []string
		for _, went := range []*[]string{&first, &second} {
			synctest.Test(t, func(t *testing.T) { *went = simulateConsents(t, seed) })
		}
		if !slices.Equal(first, second) {
			t.Errorf("seed %d went %d steps one way, then %d another", seed, len(first), len(second))
		}
	}
}

// simulateConsents is a run of one seed. It returns the way that was gone.
func simulateConsents(t *testing.T, seed uint64) []string {
	r := &consentRun{cell: newCell(t, cellKeys), random: rand.New(rand.NewPCG(seed, 2)), users: []string{"ann", "bob"}}
	r.sparse = true
	r.setUp()
	for range 120 + r.random.IntN(200) {
		r.choose()
	}
	r.comeToRest()
	r.judge()
	return r.went
}

func (r *consentRun) setUp() {
	r.rules.OnDifferentLogin = []providers.Policy{"replace", "replace", "hold", "keep_both"}[r.random.IntN(4)]
	r.rules.HoldFor = []time.Duration{0, 10 * time.Minute}[r.random.IntN(2)]
	r.op.strict = r.random.IntN(2) == 0
	for i := range 3 {
		r.logins = append(r.logins, r.op.login(fmt.Sprint("login-", i)))
	}
	r.imports("ann", "A", r.logins[0])
	if r.random.IntN(2) == 0 {
		r.imports("bob", "B", r.logins[1])
	}
	for i := range 3 {
		r.workers = append(r.workers, r.late(fmt.Sprint("w", i), time.Duration(r.random.IntN(21)-10)*time.Second))
	}
	r.faults, r.left = r.random.IntN(5), 4
	r.fault, r.locks = r.goWrong, r.lock
	for range 2 {
		r.consent()
	}
}

// goWrong spends the seed's faults where its dice fall.
func (r *consentRun) goWrong(what string) bool {
	if r.faults == 0 || r.random.IntN(25) != 0 {
		return false
	}
	r.faults--
	r.tell("fault: %s", what)
	return true
}

func (r *consentRun) tell(format string, args ...any) { (&simulation{}).tell(format, args...) }

func (r *consentRun) lock(*process) error {
	switch {
	case r.fault("lock server away"):
		return locks.ErrUnavailable
	case r.fault("lock held"):
		return locks.ErrHeld
	}
	return nil
}

// choose does one thing.
func (r *consentRun) choose() {
	r.fire()
	switch n := r.random.IntN(60); {
	case n < 40:
		r.goOn()
	case n < 49:
		r.deliver(r.random.IntN(6) == 0)
	case n < 50:
		r.crashOne()
	case n < 51:
		r.learn(r.pick())
	case n < 52:
		r.consent()
	case n < 53:
		r.report()
	case n < 54:
		r.decision()
	case n < 55:
		r.other()
	case n < 56:
		r.replay()
	default:
		pauses := []time.Duration{time.Second, 3 * time.Second, 16 * time.Second, 31 * time.Second, 61 * time.Second}
		d := pauses[r.random.IntN(len(pauses))]
		r.tell("%v pass", d)
		r.sleep(d)
	}
}

// other is what happens more rarely.
func (r *consentRun) other() {
	switch r.random.IntN(4) {
	case 0:
		l := r.anyLink()
		r.tell("%s logs out", l.Link)
		r.logsOut(l.Address)
	case 1:
		r.op.down = !r.op.down
		r.tell("keys not reachable: %v", r.op.down)
	case 2:
		if len(r.disk.orphans()) > 0 {
			r.pick().adopt()
		}
	case 3:
		r.loseInput()
	}
}

func (r *consentRun) pick() *process { return r.workers[r.random.IntN(len(r.workers))] }
func (r *consentRun) sim() *simulation {
	return &simulation{world: r.world, random: r.random, processes: r.workers}
}
func (r *consentRun) anyLink() links.Link { all := r.all(); return all[r.random.IntN(len(all))] }
func (r *consentRun) anyLogin() *login    { return r.logins[r.random.IntN(len(r.logins))] }

// consent is a user's consent, for a link that is there or for a new one.
func (r *consentRun) consent() {
	if r.left == 0 {
		return
	}
	r.left--
	user, name := r.users[r.random.IntN(2)], ""
	if l := r.anyLink(); r.random.IntN(3) > 0 && l.User == user {
		name = l.Link
	}
	t, who := r.begins(user, name), r.anyLogin()
	r.tell("%s consents as %s for %q, which is %s", user, who.sub, name, t.addr.Link)
	t.as(who)
}

func (r *consentRun) report() {
	if l := r.anyLink(); l.Generation > 0 {
		r.tell("%s: generation %d is refused", l.Link, l.Generation)
		r.refused(l.Address, l.Generation)
	}
}

func (r *consentRun) decision() {
	for _, l := range r.all() {
		if l.Hold == nil {
			continue
		}
		d := []events.Decision{events.DecisionApprove, events.DecisionApprove, events.DecisionReject}[r.random.IntN(3)]
		r.tell("%s: %s of consent %d", l.Link, d, l.Hold.Consent)
		r.decides(l.Address, l.Hold.Consent, d)
		return
	}
}

// replay publishes an old input again.
func (r *consentRun) replay() {
	m := r.broker.messages[r.random.IntN(len(r.broker.messages))]
	if replayable(m) {
		r.tell("message %d is replayed", m.Sequence)
		r.again(m)
	}
}

// loseInput takes an input away that nobody holds: its stream was purged.
func (r *consentRun) loseInput() {
	if r.faults == 0 {
		return
	}
	for _, t := range r.trips {
		if t.input.free(time.Now()) && t.input.Delivered > 0 {
			r.faults--
			r.tell("the input of %s is lost", t.addr.Link)
			t.input.acked, t.lost = true, true
			return
		}
	}
}

func (r *consentRun) goOn() {
	if parked := r.sim().parked(); len(parked) > 0 {
		t := parked[r.random.IntN(len(parked))]
		r.went = append(r.went, t.p.name+" "+t.point)
		r.tell("%s goes on at %s", t.p.name, t.point)
		r.step(t)
	}
}

func (r *consentRun) deliver(again bool) {
	s := r.sim()
	s.faults = r.faults
	s.deliver(again)
	r.faults = s.faults
}

func (r *consentRun) crashOne() {
	if r.faults == 0 {
		return
	}
	r.faults--
	i := r.random.IntN(len(r.workers))
	r.tell("%s dies", r.workers[i].name)
	r.workers[i].crash()
	r.workers[i] = r.late(r.workers[i].name, r.workers[i].skew)
}

// comeToRest lets all that has a message go to its end, and the reconciler find
// what has none: a report may be waiting for that.
func (r *consentRun) comeToRest() {
	p := r.workers[0]
	scanner := p.h.NewReconciler(r.book, 0)
	for range 3 {
		r.restFor(5*time.Minute, r.workers...)
		p.start(nil, func(ctx context.Context) { _ = scanner.Scan(ctx, true) }).end()
		r.sleep(r.budget.Patience + time.Second)
	}
	r.rest(r.workers...)
}
