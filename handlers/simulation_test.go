package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
)

// The rules under which everything is tried. The windows are such that a
// repetition or two fit, and a long pause does not.
var rules = map[string]providers.Replay{
	"forbidden":            {Kind: providers.ReplayForbidden},
	"safe":                 {Kind: providers.ReplaySafe},
	"grace":                {Kind: providers.ReplayGrace, Window: 40 * time.Second},
	"until_successor_used": {Kind: providers.ReplayUntilSuccessorUsed, Window: time.Hour},
}

// seeds is how many runs of each rule go test makes. REGRANT_SEEDS sets another
// number, REGRANT_SEED=n replays one: the failing seed stands in the test's name.
const seeds = 400

// TestSimulation lets three workers handle reports of one link while a seed
// chooses what happens next and what goes wrong, lets everything come to rest
// without further faults, and holds the result against G1 to G5.
func TestSimulation(t *testing.T) {
	first, n := seedsOf(seeds)
	for name, replay := range rules {
		t.Run(name, func(t *testing.T) {
			for seed := first; seed < first+n; seed++ {
				if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { simulate(t, seed, replay) })
				}) {
					return
				}
			}
		})
	}
}

// seedsOf says which seeds are run: as many as usual, or as the environment says.
func seedsOf(usual uint64) (first, n uint64) {
	first, n = 1, usual
	if testing.Short() {
		n /= 10
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEEDS"), 10, 64); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	return first, n
}

// simulation is a run of one seed.
type simulation struct {
	*world
	random    *rand.Rand
	faults    int
	processes []*process
	reports   []*message
}

func simulate(t *testing.T, seed uint64, replay providers.Replay) {
	s := &simulation{world: newWorld(t, replay), random: rand.New(rand.NewPCG(seed, 0))}
	s.faults = 1 + s.random.IntN(4)
	s.fault = s.goWrong
	s.locks = s.lock
	for i := range 3 {
		s.processes = append(s.processes, s.skewed(fmt.Sprint("w", i), time.Duration(s.random.IntN(41)-20)*time.Second))
	}
	for range 1 + s.random.IntN(3) {
		s.reports = append(s.reports, s.report(1))
	}
	for range 60 + s.random.IntN(200) {
		s.choose()
	}
	s.drain()
	s.judge()
}

// goWrong spends the seed's faults where its dice fall.
func (s *simulation) goWrong(what string) bool {
	if s.faults == 0 || s.random.IntN(12) != 0 {
		return false
	}
	s.faults--
	s.tell("fault: %s", what)
	return true
}

func (s *simulation) tell(format string, args ...any) {
	if os.Getenv("REGRANT_TRACE") != "" {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
	}
}

// lock: the server may be away or say that somebody else has the lock; else it
// grants it to whoever asks.
func (s *simulation) lock(*process) error {
	switch {
	case s.goWrong("lock server away"):
		return locks.ErrUnavailable
	case s.goWrong("lock held"):
		return locks.ErrHeld
	}
	return nil
}

// choose does one thing.
func (s *simulation) choose() {
	s.broker.fire()
	switch n := s.random.IntN(40); {
	case n < 26:
		s.goOn()
	case n < 33:
		s.deliver(s.random.IntN(6) == 0)
	case n < 34:
		s.crashOne()
	case n < 36:
		s.pick().feed()
	case n < 37:
		s.pick().useServed(s.random.Uint64N(3))
	case n < 38:
		s.adoptOne()
	case n < 39 && s.random.IntN(4) == 0:
		s.provider.down = !s.provider.down
		s.tell("keys not reachable: %v", s.provider.down)
	default:
		pauses := []time.Duration{time.Second, 3 * time.Second, 16 * time.Second, 31 * time.Second, 125 * time.Second}
		d := pauses[s.random.IntN(len(pauses))]
		s.tell("%v pass", d)
		s.sleep(d)
	}
}

func (s *simulation) pick() *process { return s.processes[s.random.IntN(len(s.processes))] }

func (s *simulation) parked() (out []*task) {
	for _, t := range s.tasks {
		if t.parked && !t.p.dead {
			out = append(out, t)
		}
	}
	return out
}

func (s *simulation) goOn() {
	if parked := s.parked(); len(parked) > 0 {
		t := parked[s.random.IntN(len(parked))]
		s.tell("%s goes on at %s", t.p.name, t.point)
		s.step(t)
	}
}

// deliver gives somebody a message; with again also one that is being handled.
func (s *simulation) deliver(again bool) {
	var out []*message
	for _, m := range s.broker.messages {
		if m.free(time.Now()) || again && s.faults > 0 && !m.acked {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return
	}
	m, p := out[s.random.IntN(len(out))], s.pick()
	if !m.free(time.Now()) {
		s.faults--
	}
	s.tell("%s gets message %d for the %d. time", p.name, m.Sequence, m.Delivered+1)
	p.take(m)
}

func (s *simulation) crashOne() {
	if s.faults == 0 {
		return
	}
	s.faults--
	i := s.random.IntN(len(s.processes))
	s.tell("%s dies", s.processes[i].name)
	s.processes[i].crash()
	s.processes[i] = s.skewed(s.processes[i].name, s.processes[i].skew)
}

func (s *simulation) adoptOne() {
	if len(s.disk.orphans()) > 0 {
		s.pick().adopt()
	}
}

// drain lets everything come to rest.
func (s *simulation) drain() {
	s.faults, s.provider.down = 0, false
	s.tell("no more faults")
	for turn := 0; ; turn++ {
		if turn > 20_000 {
			s.t.Fatalf("does not come to rest: %s at generation %d", s.link().Status, s.link().Generation)
		}
		s.broker.fire()
		if parked := s.parked(); len(parked) > 0 {
			s.step(parked[turn%len(parked)])
			continue
		}
		if s.adoptable() || s.deliverable(turn) {
			continue
		}
		if !s.wait() {
			return
		}
	}
}

func (s *simulation) adoptable() bool {
	if len(s.disk.orphans()) == 0 {
		return false
	}
	s.processes[0].adopt()
	return true
}

func (s *simulation) deliverable(turn int) bool {
	for _, m := range s.broker.messages {
		if m.free(time.Now()) {
			s.processes[turn%len(s.processes)].take(m)
			return true
		}
	}
	return false
}

// wait lets time pass until something is due, and says whether anything will be.
func (s *simulation) wait() bool {
	var next time.Time
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, m := range s.broker.messages {
		if !m.acked {
			soonest(m.notBefore)
		}
	}
	for _, timer := range s.broker.timers {
		soonest(timer.at)
	}
	for _, t := range s.tasks {
		if !t.done && !t.p.dead {
			soonest(time.Now().Add(s.budget.LockRenew))
		}
	}
	if next.IsZero() {
		return false
	}
	s.sleep(max(time.Until(next), time.Millisecond))
	return true
}

// judge holds the world at rest against the guarantees.
func (s *simulation) judge() {
	l := s.link()
	switch {
	case l.Status == links.Active && l.Generation > 1:
		if g := s.provider.tokens(l); !g.spentAt.IsZero() {
			s.t.Errorf("G3: the current refresh token of generation %d is spent", l.Generation)
		}
	case l.Status == links.ConsentRequired && s.provider.lost || l.Status == links.ConsentRequired && s.rules.Replay.Kind != providers.ReplaySafe:
	default:
		s.t.Errorf("G5: a 401 was reported, and the link rests %s at generation %d", l.Status, l.Generation)
	}
	s.judgePresentations()
	s.judgeEvents(l)
	s.judgeReplay()
}

func (s *simulation) judgePresentations() {
	for _, g := range s.provider.grants {
		if s.rules.Replay.Kind == providers.ReplayForbidden && g.shown > 1 {
			s.t.Errorf("G1: a refresh token was presented %d times", g.shown)
		}
	}
	for name := range s.disk.files {
		s.t.Errorf("G2: the answer of attempt %s stayed in the spool", name)
	}
	for name := range s.disk.ever {
		if !s.store.settled[name] {
			s.t.Errorf("G2: the answer of attempt %s is not in the record", name)
		}
	}
}

func (s *simulation) judgeEvents(l links.Link) {
	if n := uint64(len(s.broker.stored)); n != l.EventNumber {
		s.t.Errorf("G4: %d of %d events are stored", n, l.EventNumber)
	}
	waiting := false // subscribers were told to ask the user
	for _, name := range s.names() {
		switch events.Name(name) {
		case events.NameConsentRequired:
			waiting = true
		case events.NameLinkRecovered:
			waiting = false
		}
	}
	if waiting != (l.Status == links.ConsentRequired) {
		s.t.Errorf("G4: subscribers were told %q, and the link is %s", s.names(), l.Status)
	}
	s.wantArmed()
}

// judgeReplay publishes the whole history of inputs once more (G8).
func (s *simulation) judgeReplay() {
	asked, revision := s.provider.presentations, len(s.store.older)
	for _, m := range s.reports {
		s.broker.add(m.Stream, m.Subject, m.Header, m.Data)
	}
	s.drain()
	if s.provider.presentations != asked || len(s.store.older) != revision {
		s.t.Errorf("G8: a replay made %d presentations and %d writes", s.provider.presentations-asked, len(s.store.older)-revision)
	}
}
