package handlers_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// consentSeeds is how many interleavings go test runs; see seeds.
const consentSeeds = 200

// TestConsentSimulation lets three workers handle the consents, reports, decisions
// and logouts of two users with three logins while a seed chooses what happens next
// and what goes wrong, lets everything come to rest without further faults, and
// holds the result against what one consent after the other would have led to.
func TestConsentSimulation(t *testing.T) {
	first, n := seedsOf(consentSeeds)
	const lanes = 2
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprint("lane=", lane), func(t *testing.T) {
			t.Parallel()
			for seed := first + lane; seed < first+n; seed += lanes {
				if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { simulateConsents(t, seed, newHistory(nil)) })
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
	random *rand.Rand
	sim    *simulation // its workers, and what goes wrong
	theme  consentTheme
	users  []string
	logins []*login
	left   int               // flows that may still be begun
	nicks  map[string]string // of links that were made: their ids are random
	doings []doing
	turns  turns // where the theme lets workers get far apart
}

// simulateConsents is a run of one seed.
func simulateConsents(t *testing.T, seed uint64, h *history) {
	r := &consentRun{cell: newCell(t, cellKeys), random: rand.New(rand.NewPCG(seed, 2)), theme: consentThemeOf(seed)}
	r.history = h
	r.sparse = true
	r.setUp()
	r.tell("theme: %s", r.theme.name)
	for range r.theme.turns + r.random.IntN(r.theme.moreTurns) {
		r.choose()
	}
	r.comeToRest()
	r.judge()
}

func (r *consentRun) setUp() {
	th := &r.theme
	if th.name == "" {
		*th = anyConsent
	}
	r.nicks, r.users = map[string]string{}, th.users
	r.rules.OnDifferentLogin = th.policies[r.random.IntN(len(th.policies))]
	r.rules.HoldFor = th.holds[r.random.IntN(len(th.holds))]
	r.op.strict = r.random.IntN(2) == 0
	for i := range 3 {
		r.logins = append(r.logins, r.op.login(fmt.Sprint("login-", i)))
	}
	if th.session {
		r.rules.Grants, r.rules.LockBy = chainWithPassword[r.random.IntN(len(chainWithPassword))], providers.LockByUser
		r.sharers = r.userOf
	}
	r.imports("ann", "A", r.logins[0])
	if second := th.second[r.random.IntN(len(th.second))]; second != "" {
		r.imports(second, "B", r.logins[1])
	}
	r.sim = &simulation{world: r.world, random: r.random}
	r.sim.employ(r.late, 10)
	r.narrow()
	r.left = th.flows
	for range th.atOnce {
		r.consent()
	}
}

// choose does one thing.
func (r *consentRun) choose() {
	r.fire()
	r.turns.now++
	all := 0
	for _, d := range r.doings {
		all += d.weight
	}
	n := r.random.IntN(all)
	for _, d := range r.doings {
		if n -= d.weight; n < 0 {
			d.do()
			return
		}
	}
}

// other is what happens more rarely.
func (r *consentRun) other() {
	switch r.random.IntN(4) {
	case 0:
		r.logout()
	case 1:
		r.op.down = !r.op.down
		r.tell("keys not reachable: %v", r.op.down)
	case 2:
		if len(r.disk.orphans()) > 0 {
			r.sim.pick().adopt()
		}
	case 3:
		r.loseInput()
	}
}

func (r *consentRun) logout() {
	l := r.anyLink()
	r.tell("%s logs out", r.nick(l.Address))
	r.logsOut(l.Address)
}

func (r *consentRun) anyLink() links.Link { all := r.all(); return all[r.random.IntN(len(all))] }
func (r *consentRun) anyLogin() *login    { return r.logins[r.theme.as[r.random.IntN(len(r.theme.as))]] }

// consent is a user's consent, for a link that is there or for a new one.
func (r *consentRun) consent() {
	if r.left == 0 {
		return
	}
	r.left--
	user, name := r.users[r.random.IntN(len(r.users))], ""
	if l := r.anyLink(); r.random.IntN(3) > 0 && l.User == user {
		name = l.Link
	}
	if r.theme.linked {
		name = "A"
	}
	t, who := r.begins(user, name), r.anyLogin()
	if name == "" {
		r.nicks[t.addr.Link] = fmt.Sprint("new-", len(r.nicks))
	}
	r.tell("%s consents as %s for %s", user, who.sub, r.nick(t.addr))
	t.as(who)
	r.forge(t)
}

// forge sends the callback in somebody else's name: another tenant's, another link's or
// another user's.
func (r *consentRun) forge(t *trip) {
	d := events.ReconsentCompleted{Address: t.addr, State: t.begun.State, Code: events.Code(t.code), Iss: r.rules.Issuer}
	switch r.random.IntN(6) {
	case 0:
		d.Tenant = "other"
	case 1:
		d.Link = r.anyLink().Link + "x"
	case 2:
		d.User = "mallory"
	default:
		return
	}
	r.tell("and somebody else returns with its code")
	r.forged = append(r.forged, r.input(d))
}

// nick names a link in the same way in every run of a seed.
func (r *consentRun) nick(a events.Address) string {
	if _, ok := r.nicks[a.Link]; !ok && len(a.Link) > 1 {
		r.nicks[a.Link] = fmt.Sprint("new-", len(r.nicks)) // one that a ruling made
	}
	return cmp.Or(r.nicks[a.Link], a.Link)
}

func (r *consentRun) report() {
	l := r.anyLink()
	generation := l.Generation
	if r.random.IntN(6) == 0 && !r.underWay() && l.Exchange == nil {
		generation++
	}
	if generation == 0 {
		return
	}
	r.tell("%s: generation %d of %d is refused", r.nick(l.Address), generation, l.Generation)
	if m := r.refused(l.Address, generation); generation > l.Generation {
		r.mistakes = append(r.mistakes, m)
	}
}

func (r *consentRun) decision() {
	for _, l := range r.all() {
		if l.Hold == nil {
			continue
		}
		d := []events.Decision{events.DecisionApprove, events.DecisionApprove, events.DecisionReject}[r.random.IntN(3)]
		r.tell("%s: %s of consent %d", r.nick(l.Address), d, l.Hold.Consent)
		r.decides(l.Address, l.Hold.Consent+uint64(r.random.IntN(4)/3), d) // or of one that nobody holds yet
		return
	}
}

// guess is a decision on a consent that nobody was asked about yet.
func (r *consentRun) guess() {
	l := r.anyLink()
	d := []events.Decision{events.DecisionApprove, events.DecisionReject}[r.random.IntN(2)]
	r.tell("%s: %s of a consent that may come, %d", r.nick(l.Address), d, l.Numbered())
	r.decides(l.Address, l.Numbered(), d)
}

// replay publishes an old input again, as a duplicate or as an operator's replay.
func (r *consentRun) replay() {
	m := r.broker.messages[r.random.IntN(len(r.broker.messages))]
	switch {
	case m.Stream == "REGRANT_IN" && r.random.IntN(2) == 0:
		r.tell("message %d is replayed", m.Sequence)
		if again := r.replayed(m); slices.Contains(r.mistakes, m) {
			r.mistakes = append(r.mistakes, again)
		}
	case replayable(m) && !slices.Contains(r.mistakes, m):
		r.tell("message %d comes again", m.Sequence)
		r.again(m)
	}
}

// loseInput takes an input away that nobody holds: its stream was purged.
func (r *consentRun) loseInput() {
	if r.sim.faults == 0 {
		return
	}
	for _, t := range r.trips {
		if t.input.free(time.Now()) && t.input.Delivered > 0 {
			r.sim.spend("input lost")
			r.tell("it was of %s", r.nick(t.addr))
			t.input.acked, t.lost, r.sim.unfinished = true, true, true
			return
		}
	}
}

// judgeAnnounced: as long as no input is lost, nobody needs the reconciler to announce
// what was committed.
func (r *consentRun) judgeAnnounced() {
	for _, l := range r.all() {
		if n := uint64(len(r.out.of[l.Address])); n != l.EventNumber && !r.sim.unfinished {
			r.t.Errorf("G4: %d of %d events of %s are stored", n, l.EventNumber, r.nick(l.Address))
		}
	}
}

// comeToRest lets all that has a message go to its end, and the reconciler find
// what has none: a report may be waiting for that.
func (r *consentRun) comeToRest() {
	p := r.sim.processes[0]
	scanner := p.h.NewReconciler(r.book, 0)
	for range 3 {
		r.restFor(5*time.Minute, r.sim.processes...)
		r.judgeAnnounced()
		p.start(nil, func(ctx context.Context) { _ = scanner.Scan(ctx, true) }).end()
		r.sleep(r.budget.Patience + time.Second)
	}
	r.rest(r.sim.processes...)
}
