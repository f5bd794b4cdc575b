package handlers_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/providers"
)

// consentTheme is what a seed of consents is about: who is there, what happens often, and what
// goes wrong. What takes three rare things in a row is met where a seed makes just those
// frequent, and hardly ever where it makes everything possible.
type consentTheme struct {
	name     string
	policies []providers.Policy
	holds    []time.Duration // how long a replacement waits for a decision; 0: as long as usual
	second   []string        // who has another link at first, with a login of its own; empty: nobody
	users    []string        // who consents
	as       []int           // and with which of the logins, of which 0 is ann's own and 1 the second link's
	linked   bool            // for ann's own link alone
	// flows is how many may be begun, atOnce how many are at the start; turns how many
	// things happen, and moreTurns up to how many more.
	flows, atOnce, turns, moreTurns int
	often                           often
	// session: the provider takes a password too, which the owner of the session has, and
	// all links of a user have one token.
	session bool
	// leave is how seldom a worker is left standing while others go on, 0: workers take
	// turns at every step. unlocked: no lock excludes anybody.
	leave    int
	unlocked bool
	// leaveAt is the call before which workers are left, and go through all others; empty:
	// any. again is how often what is being handled may at least be delivered beside.
	leaveAt string
	again   int
	// calm: nothing goes wrong before a turn that a seed draws of so many, and so more late.
	calm int
	// faults are the kinds that go wrong, by a word of theirs; none: each seed draws its own.
	faults []string
}

// often is how often things happen, each compared with the others.
type often struct {
	goOn, deliver, crash, learn, consent, report, decision, other, replay, standStill, pause, logout, guess,
	leaveAll, obtain, outAgain, session int
}

// anyConsent makes everything possible that one link meets, and nothing frequent.
var anyConsent = consentTheme{
	name: "anything", policies: []providers.Policy{"replace", "replace", "hold", "keep_both"}, holds: []time.Duration{0, 10 * time.Minute},
	second: []string{"bob", ""}, users: []string{"ann", "bob"}, as: []int{0, 1, 2}, flows: 4, atOnce: 2, turns: 120, moreTurns: 200,
	often: often{goOn: 40, deliver: 9, crash: 1, learn: 1, consent: 1, report: 1, decision: 1, other: 1, replay: 1, standStill: 2, pause: 6},
}

// allLinks is about a user who leaves all links while some are being made.
var allLinks = consentTheme{
	name: "all links", policies: []providers.Policy{"replace", "keep_both", "hold"}, holds: []time.Duration{0},
	second: []string{"", "ann"}, users: []string{"ann"}, as: []int{0, 1, 2}, flows: 4, atOnce: 2, turns: 100, moreTurns: 150,
	often: often{goOn: 55, deliver: 8, crash: 1, consent: 1, decision: 1, standStill: 1, pause: 4, leaveAll: 1, obtain: 1, outAgain: 1}, leave: 10, faults: []string{"input", "reply"},
}

// sessions is about a user who consents while services report the same link, and whose
// session answers for it or does not.
var sessions = consentTheme{
	name: "sessions", policies: []providers.Policy{"replace"}, holds: []time.Duration{0}, session: true,
	second: []string{"", "ann"}, users: []string{"ann"}, as: []int{0}, linked: true, flows: 3, atOnce: 1, turns: 80, moreTurns: 100,
	often: often{goOn: 50, deliver: 8, crash: 1, consent: 1, report: 5, standStill: 1, pause: 4, session: 4}, leave: 10, unlocked: true, faults: []string{"response", "reply"},
}

// cutShort is about approvals that are not carried out to their end: faults and kills come
// late, and nobody else is at the same thing.
var cutShort = consentTheme{
	name: "cut short", policies: []providers.Policy{"hold"}, holds: []time.Duration{0},
	second: []string{""}, users: []string{"ann"}, as: []int{1, 2}, linked: true, flows: 1, atOnce: 1, turns: 120, moreTurns: 60,
	often: often{goOn: 120, deliver: 3, crash: 8, decision: 12, pause: 1, logout: 1}, leave: 60, calm: 100, faults: []string{"event is refused", "timer is refused", "read"},
}

// overtaking is about workers that have claimed a login and are left before they read the
// link that it goes to, while newer consents claim it, and others take up the same flow.
var overtaking = consentTheme{
	name: "overtaking", policies: []providers.Policy{"replace", "keep_both"}, holds: []time.Duration{0},
	second: []string{""}, users: []string{"ann", "bob"}, as: []int{0}, flows: 4, atOnce: 4, turns: 150, moreTurns: 100,
	often: often{goOn: 50, deliver: 8}, leave: 3, leaveAt: "latest", again: 12, unlocked: true, faults: []string{"nothing"},
}

// crowd is about a login that many consent with at once, so that rulings are out of date
// when they are carried out, and are made anew, time and again.
var crowd = consentTheme{
	name: "crowd", policies: []providers.Policy{"replace", "keep_both"}, holds: []time.Duration{0},
	second: []string{""}, users: []string{"ann", "bob", "carol"}, as: []int{0}, flows: 6, atOnce: 6, turns: 150, moreTurns: 100,
	often: often{goOn: 50, deliver: 8}, unlocked: true, faults: []string{"nothing"},
}

// consentThemes are those of three quarters of the seeds, in turn.
var consentThemes = []consentTheme{
	{
		name: "one login", policies: []providers.Policy{"replace", "keep_both"}, holds: []time.Duration{0},
		second: []string{"", "bob"}, users: []string{"ann", "bob", "carol"}, as: []int{0}, flows: 4, atOnce: 3, turns: 100, moreTurns: 150,
		often: often{goOn: 50, deliver: 6, crash: 1, consent: 1, other: 1, standStill: 2, pause: 3}, leave: 10, unlocked: true, faults: []string{"nothing"},
	},
	{
		name: "decisions", policies: []providers.Policy{"hold"}, holds: []time.Duration{time.Minute, time.Minute, 0},
		second: []string{""}, users: []string{"ann"}, as: []int{1, 2}, linked: true, flows: 1, atOnce: 1, turns: 80, moreTurns: 80,
		often: often{goOn: 70, deliver: 8, crash: 1, decision: 8, standStill: 1, pause: 6}, leave: 8, unlocked: true, faults: []string{"nothing"},
	},
	{
		name: "renewals", policies: []providers.Policy{"replace", "hold", "keep_both"}, holds: []time.Duration{0},
		second: []string{"ann"}, users: []string{"ann"}, as: []int{0, 1}, flows: 4, atOnce: 2, turns: 100, moreTurns: 150,
		often: often{goOn: 50, deliver: 8, crash: 1, consent: 1, report: 4, other: 1, standStill: 2, pause: 3}, leave: 10, unlocked: true, faults: []string{"reply"},
	},
	{
		name: "holds", policies: []providers.Policy{"hold"}, holds: []time.Duration{time.Minute, 5 * time.Minute, 0},
		second: []string{"", "ann", "bob"}, users: []string{"ann"}, as: []int{0, 1, 2}, flows: 3, atOnce: 1, turns: 200, moreTurns: 200,
		often: often{goOn: 70, deliver: 8, crash: 1, consent: 1, report: 1, decision: 5, other: 1, replay: 1, standStill: 2, pause: 4, guess: 1},
		leave: 10, faults: []string{"reply"},
	},
	{
		name: "logouts", policies: []providers.Policy{"replace"}, holds: []time.Duration{0},
		second: []string{"", "ann"}, users: []string{"ann"}, as: []int{0, 1}, flows: 4, atOnce: 1, turns: 100, moreTurns: 150,
		often: often{goOn: 50, deliver: 8, crash: 1, consent: 2, report: 2, replay: 1, standStill: 2, pause: 6, logout: 2}, leave: 10, faults: []string{"reply"},
	},
	{
		name: "lost workers", policies: []providers.Policy{"replace"}, holds: []time.Duration{0},
		second: []string{""}, users: []string{"ann"}, as: []int{0, 1}, flows: 2, atOnce: 1, turns: 60, moreTurns: 100,
		often: often{goOn: 40, deliver: 8, crash: 4, consent: 1, report: 1, other: 1, standStill: 2, pause: 10}, faults: []string{"written", "reply"},
	},
}

// otherThemes are those of the other quarter, in turn.
var otherThemes = []consentTheme{anyConsent, allLinks, sessions, crowd, cutShort, overtaking, overtaking, cutShort}

// consentThemeOf is a seed's. Every fourth seed is one of consents.
func consentThemeOf(seed uint64) consentTheme {
	n := seed / 4
	if n%4 == 0 {
		return otherThemes[n/4%uint64(len(otherThemes))]
	}
	return consentThemes[(n-n/4-1)%uint64(len(consentThemes))]
}

// narrow lets happen what the theme says.
func (r *consentRun) narrow() {
	o, s := r.theme.often, r.sim
	r.doings = []doing{
		{o.goOn, r.goOn},
		{o.deliver, func() { s.deliver(r.random.IntN(6) == 0) }},
		{o.crash, r.crash},
		{o.learn, func() { r.learn(s.pick()) }},
		{o.consent, r.consent},
		{o.report, r.report},
		{o.decision, r.decision},
		{o.other, r.other},
		{o.replay, r.replay},
		{o.standStill, s.standStill},
		{o.pause, s.pause},
		{o.logout, r.logout},
		{o.guess, r.guess},
		{o.leaveAll, r.leavesAll},
		{o.obtain, r.obtained},
		{o.outAgain, r.replayLogout},
		{o.session, r.comesOrGoes},
	}
	r.turns = turns{rank: map[*task]int{}, until: map[*task]int{}}
	if r.theme.calm > 0 {
		r.turns.calm = r.random.IntN(r.theme.calm)
	}
	r.exclusive = r.exclusive && !r.theme.unlocked
	if r.theme.leave > 0 {
		s.again = 4
	}
	s.again = max(s.again, r.theme.again)
	if len(r.theme.faults) > 0 {
		r.fault = r.goesWrong
	}
}

// crash kills a worker; where there was a calm, one that has something to do.
func (r *consentRun) crash() {
	if r.theme.calm == 0 || r.turns.now >= r.turns.calm && len(r.sim.parked()) > 0 {
		r.sim.crashOne()
	}
}

// goesWrong leaves out what is not of the theme.
func (r *consentRun) goesWrong(what string) bool {
	return r.turns.now >= r.turns.calm && slices.ContainsFunc(r.theme.faults, func(word string) bool { return strings.Contains(what, word) }) && r.sim.goWrong(what)
}

// turns is in which order tasks go on.
type turns struct {
	now    int // things that were done
	calm   int // things that are done before anything goes wrong
	rank   map[*task]int
	lowest int
	until  map[*task]int // when one that was left may go on at all
}

// goOn lets a worker go on: one of all, or, where the theme leaves workers standing, the
// one of the highest rank. Who is left has the lowest from then on, and stands for a
// while: the others get done with what they have to do, and more is begun. Workers that
// take turns at every step seldom get far apart.
func (r *consentRun) goOn() {
	if r.theme.leave == 0 {
		r.sim.goOn()
		return
	}
	free := slices.DeleteFunc(r.sim.parked(), func(t *task) bool { return t.still || r.turns.now < r.turns.until[t] })
	if len(free) == 0 {
		r.sim.deliver(false)
		return
	}
	first := slices.MaxFunc(free, func(a, b *task) int { return cmp.Compare(r.rank(a), r.rank(b)) })
	if r.theme.leaveAt != "" && first.point != r.theme.leaveAt || r.random.IntN(r.theme.leave) > 0 {
		r.sim.goes(first)
		return
	}
	r.turns.lowest--
	r.turns.rank[first], r.turns.until[first] = r.turns.lowest, r.turns.now+[]int{0, 10, 40}[r.random.IntN(3)]
	r.sim.deliver(r.random.IntN(4) == 0)
}

// rank is a task's, which it draws when it is seen first.
func (r *consentRun) rank(t *task) int {
	if _, known := r.turns.rank[t]; !known {
		r.turns.rank[t] = r.random.IntN(100)
	}
	return r.turns.rank[t]
}
