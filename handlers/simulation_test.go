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

	"github.com/regrant/regrant/handlers"
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

// seeds is how many runs of each rule go test makes; make simulate makes as many as
// there is time for. REGRANT_SEEDS sets another number, REGRANT_SEED=n replays one: the
// failing seed stands in the test's name.
const seeds = 100

// TestSimulation lets three workers handle reports of one link while a seed
// chooses what happens next and what goes wrong, lets everything come to rest
// without further faults, and holds the result against G1 to G5.
func TestSimulation(t *testing.T) {
	first, n := seedsOf(seeds)
	for name, replay := range rules {
		t.Run(name, func(t *testing.T) {
			for seed := first; seed < first+n; seed++ {
				if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { simulate(t, seed, replay, newHistory(nil)) })
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
	random *rand.Rand
	faults int
	again  int             // deliveries that may still be made of what is being handled
	never  map[string]bool // faults that this seed leaves out, and those that it does not
	theme
	slow      slowness
	processes []*process
	// starts begins a life of a worker.
	starts  func(name string, skew time.Duration) *process
	reports []*message
	hearsay []*message // inputs of the past that were published again, and reports that were mistakes
	doings  []doing
	left    int // reports that may still be made
	// mistakes and replays that may still be made.
	mistakes, replays int
	// unfinished: what began without a message, or lost it, may have been cut short. Only
	// the reconciler finds that.
	unfinished bool
	owed       uint64 // the newest generation that a 401 was reported of
	// quick: what is announced is heard everywhere at once. behind: followers lag as
	// often as they like.
	// hasty: services report what is on its way.
	quick, behind, hasty bool
	// horizon is how far ahead a timer may be that is left to itself at rest; 0: any is
	// waited for.
	horizon time.Duration
}

// doing is one of the things that may happen next, more or less often.
type doing struct {
	weight int
	do     func()
}

func simulate(t *testing.T, seed uint64, replay providers.Replay, h *history) {
	s := &simulation{random: rand.New(rand.NewPCG(seed, 0)), horizon: 20 * time.Minute}
	rules := providers.Profile{ClientID: "client", Rotation: "always", Replay: replay}
	rules.RenewAt = []float64{0, 0, 0.5}[s.random.IntN(3)]
	rules.MinInterval = []time.Duration{0, 0, 30 * time.Second}[s.random.IntN(3)]
	rules.LastChance = replay.Kind == providers.ReplayForbidden && s.random.IntN(8) == 0
	s.world = worldOf(t, rules, func(*handlers.ImportLine) {})
	s.history = h
	s.begin()
	s.report(1)
	for range s.random.IntN(3) {
		s.publishAgain()
	}
	s.left = s.random.IntN(4)
	if themed(seed) {
		s.narrow()
		s.gossip()
	}
	if sluggish(seed) {
		s.slowDown()
		s.hasten()
	}
	for range 60 + s.random.IntN(200) {
		s.choose()
	}
	s.comeToRest()
	s.judge()
}

// begin starts the workers, and says what may happen to them and how often.
func (s *simulation) begin() {
	s.employ(s.skewed, 20)
	s.quick, s.behind, s.eager = s.random.IntN(2) == 0, s.random.IntN(4) == 0, s.random.IntN(2) == 0
	s.doings = []doing{
		{26, s.goOn},
		{7, func() { s.deliver(s.random.IntN(s.twice) == 0) }},
		{1, s.crashOne},
		{2, func() { s.pick().feed() }},
		{1, func() { s.pick().useServed(s.random.Uint64N(3)) }},
		{1, s.adoptOne},
		{1, s.rarely},
		{[]int{1, 1, 4}[s.random.IntN(3)], s.pause},
		{[]int{0, 1, 3}[s.random.IntN(3)], s.standStill},
	}
}

// employ starts three workers whose clocks are wrong by some seconds.
func (s *simulation) employ(starts func(name string, skew time.Duration) *process, seconds int) {
	s.starts = starts
	s.faults, s.again, s.never = 1+s.random.IntN(4), s.random.IntN(4), map[string]bool{}
	s.theme = anything
	s.fault, s.locks = s.goWrong, s.lock
	s.exclusive = s.random.IntN(2) == 0
	for i := range 3 {
		s.processes = append(s.processes, starts(fmt.Sprint("w", i), time.Duration(s.random.IntN(2*seconds+1)-seconds)*time.Second))
	}
}

// goWrong spends the seed's faults where its dice fall. Each seed leaves out half of
// the kinds: else those with the most occasions would take all.
func (s *simulation) goWrong(what string) bool {
	if what == "stale read" && s.behind {
		return s.random.IntN(3) == 0
	}
	if s.faults == 0 {
		return false
	}
	never, known := s.never[what]
	if !known {
		never = s.leavesOut(what)
		s.never[what] = never
	}
	if never || s.random.IntN(s.odds) != 0 {
		return false
	}
	s.spend(what)
	return true
}

func (s *simulation) spend(fault string) {
	s.faults--
	s.history.strikes(fault)
	s.tell("fault: %s", fault)
}

// lock: the server may be away, or say that somebody else has the lock.
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
	for _, p := range s.processes {
		for s.quick && p.fed < len(s.broker.stored) {
			p.feed()
		}
	}
	all := 0
	for _, d := range s.doings {
		all += d.weight
	}
	n := s.random.IntN(all)
	for _, d := range s.doings {
		if n -= d.weight; n < 0 {
			d.do()
			return
		}
	}
}

// rarely is what happens around the procedure.
func (s *simulation) rarely() {
	switch s.random.IntN(8) {
	case 0, 1, 2:
		s.reportMore()
	case 3:
		s.publishAgain()
	case 4:
		s.provider.down = !s.provider.down
		s.tell("keys not reachable: %v", s.provider.down)
	case 5, 6:
		p := s.pick()
		s.tell("%s reconciles", p.name)
		s.unfinished = true
		p.scan()
	case 7:
		if s.random.IntN(2) == 0 {
			s.loseInput()
		} else {
			s.loseTimer()
		}
	}
}

func (s *simulation) pause() {
	d := s.pauses[s.random.IntN(len(s.pauses))]
	s.tell("%v pass", d)
	for _, t := range s.parked() {
		if d >= s.budget.LockTTL {
			s.history.strikes("pause at " + t.point)
		}
	}
	s.sleep(d)
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
	for range s.burst {
		s.goOnOnce()
	}
}

func (s *simulation) goOnOnce() {
	if s.slow.call != "" {
		s.linger()
	}
	free := slices.DeleteFunc(s.parked(), func(t *task) bool { return t.still || t.late > s.slow.now })
	switch {
	case len(free) == 0:
	case s.turns > 0 && slices.Contains(free, s.current) && s.random.IntN(s.turns) > 0:
		s.goes(s.current)
	default:
		s.goes(free[s.random.IntN(len(free))])
	}
}

// standStill keeps a task where it is while the others go on, or lets it go on.
func (s *simulation) standStill() {
	if parked := s.parked(); len(parked) > 0 {
		t := parked[s.random.IntN(len(parked))]
		t.still = !t.still
		s.tell("%s stands still at %s: %v", t.p.name, t.point, t.still)
	}
}

func (s *simulation) goes(t *task) {
	s.tell("%s goes on at %s", t.p.name, t.point)
	s.step(t)
}

func (s *simulation) gets(p *process, m *message) {
	s.tell("%s gets message %d for the %d. time", p.name, m.Sequence, m.Delivered+1)
	p.take(m)
}

// deliver gives somebody a message; with again also one that is being handled.
func (s *simulation) deliver(again bool) {
	var out []*message
	for _, m := range s.broker.messages {
		if m.free(time.Now()) || again && s.again > 0 && !m.acked {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return
	}
	m, p := out[s.random.IntN(len(out))], s.pick()
	if !m.free(time.Now()) {
		s.again--
		s.history.strikes("redelivery")
	}
	s.gets(p, m)
}

func (s *simulation) crashOne() {
	if s.faults == 0 {
		return
	}
	i := s.random.IntN(len(s.processes))
	if parked := s.parked(); len(parked) > 0 {
		i = slices.Index(s.processes, parked[s.random.IntN(len(parked))].p)
	}
	s.crashes(s.processes[i])
	s.processes[i] = s.starts(s.processes[i].name, s.processes[i].skew)
}

// crashes ends a process where its tasks stand.
func (s *simulation) crashes(p *process) {
	at := "rest"
	for _, t := range s.tasks {
		if t.p == p && !t.done {
			s.lost = true // it may have been presenting
		}
		if t.p == p && t.parked {
			at = t.point
		}
	}
	s.spend("crash at " + at)
	s.tell("%s dies", p.name)
	p.crash()
}

func (s *simulation) adoptOne() {
	if len(s.disk.orphans()) > 0 {
		s.pick().adopt()
	}
}

// report is the first report of a generation's bearer.
func (s *simulation) report(generation uint64) {
	s.tell("generation %d is refused", generation)
	s.owed = max(s.owed, generation)
	s.reports = append(s.reports, s.world.report(generation))
}

// loseInput takes inputs away that nobody holds: their stream was purged.
func (s *simulation) loseInput() {
	if s.faults == 0 || s.link().Status == links.Active {
		return // its duty would be nobody's, and nobody could know
	}
	for _, m := range s.broker.messages {
		if m.free(time.Now()) && m.Delivered > 0 && m.Stream == "REGRANT_IN" {
			s.spend("input lost")
			m.acked, s.unfinished = true, true
		}
	}
}

// loseTimer: the reconciler arms it again.
func (s *simulation) loseTimer() {
	if _, armed := s.broker.timers[theLink]; armed && s.faults > 0 {
		s.spend("timer lost")
		delete(s.broker.timers, theLink)
		s.unfinished, s.timerLost = true, true
	}
}

// scan is the reconciler's, in one process, once.
func (p *process) scan() *task {
	r := p.h.NewReconciler(p.w.store.Store, 0)
	return p.start(nil, func(ctx context.Context) { _ = r.Scan(ctx, true) })
}
