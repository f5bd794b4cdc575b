package links_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// A world is one link, its provider and the workers that fight over it, with
// everything around the pure core reduced to what can go wrong: writes by
// compare-and-set whose answers get lost, presentations that are lost on either
// way, workers that stop anywhere and forget, clocks that disagree.
type world struct {
	random   *rand.Rand
	rules    links.Rules
	provider *provider
	faults   bool
	broken   []string // what was found to be wrong

	now      time.Time // the store's clock, and everybody's monotonic one
	stored   links.Link
	revision int
	storedAt time.Time
	spool    map[string]answer // on disks: survives its worker
	events   map[uint64]string
	attempts int
	workers  []*worker
	steps    map[string]int // how often what happened: a test of nothing must show
}

// patience is how long others watch an attempt; no attempt writes after it.
const patience = 15 * time.Second

// answer is a success that was read in full.
type answer struct {
	claim links.Claim
	token string
}

func newWorld(seed uint64, r links.Rules, workers int) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, uint64(r.Replay))), rules: r, faults: true, now: now,
		spool: map[string]answer{}, events: map[uint64]string{}, steps: map[string]int{},
	}
	w.rules.Window, w.rules.MinInterval, w.rules.RenewAt = time.Minute, time.Second, 0.8
	w.provider = &provider{world: w, tokens: map[string]*token{"root": {}}}
	w.stored = active()
	w.stored.Sealed = []byte("root")
	for i := range workers {
		w.workers = append(w.workers, &worker{world: w, name: fmt.Sprint("worker-", i)})
		w.workers[i].forget()
	}
	return w
}

// step lets one worker, whichever, do one thing.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.random.IntN(1500)) * time.Millisecond)
	if w.chance(20) {
		w.now = w.now.Add(patience)
	}
	k := w.workers[w.random.IntN(len(w.workers))]
	if w.faults && w.chance(25) {
		w.count("crash")
		k.forget()
		return
	}
	next := k.next
	k.next = nil
	if next == nil {
		next = k.hear
	}
	next()
}

// chance is one in n.
func (w *world) chance(n int) bool { return w.random.IntN(n) == 0 }

// fault is chance while there are faults.
func (w *world) fault(n int) bool { return w.faults && w.chance(n) }

func (w *world) count(what string) { w.steps[what]++ }

func (w *world) wrong(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// write is the store's compare-and-set. known says whether the writer heard of it.
func (w *world) write(l links.Link, revision int) (applied, known bool) {
	if w.fault(40) {
		w.count("write not applied, answer lost")
		return false, false
	}
	if revision != w.revision {
		w.count("conflict")
		return false, true
	}
	w.inspect(w.stored, l)
	w.stored, w.storedAt = l, w.now
	w.revision++
	w.provider.tokens[string(l.Sealed)].used = true // the bearer of what is current is handed out
	if w.fault(40) {
		w.count("write applied, answer lost")
		return true, false
	}
	return true, true
}

// inspect holds what every write must keep (G3, G4).
func (w *world) inspect(was, l links.Link) {
	if l.Generation < was.Generation || l.Consent < was.Consent || l.EventNumber < was.EventNumber || l.DueNumber < was.DueNumber {
		w.wrong("a number went back: generation %d to %d, event %d to %d", was.Generation, l.Generation, was.EventNumber, l.EventNumber)
	}
	if l.Generation == was.Generation && string(l.Sealed) != string(was.Sealed) {
		w.wrong("generation %d was overwritten: %s by %s", l.Generation, was.Sealed, l.Sealed)
	}
	if l.Generation > was.Generation+1 {
		w.wrong("generation %d was left out", was.Generation+1)
	}
	if l.Generation > was.Generation && !w.provider.follows(string(was.Sealed), string(l.Sealed)) && !candidate(was, l) {
		w.wrong("%s took the place of %s, which it does not follow", l.Sealed, was.Sealed)
	}
	for _, e := range l.Outbox {
		if before, again := w.events[e.Number]; again && before != string(e.Event) {
			w.wrong("event %d has changed", e.Number)
		}
		w.events[e.Number] = string(e.Event)
	}
	for n := was.EventNumber + 1; n <= l.EventNumber; n++ {
		if _, told := w.events[n]; !told {
			w.wrong("event %d was never in the outbox", n)
		}
	}
}

// candidate says that what is current now was kept for that before.
func candidate(was, l links.Link) bool {
	k, ok := was.KeptOf(links.KeptCandidate)
	return ok && string(k.Sealed) == string(l.Sealed)
}

// worker is one process. next is what it does in its next step; nil is idle.
type worker struct {
	world   *world
	name    string
	clock   time.Duration // off the store's by
	next    func()
	settled map[string]links.Standing // its own attempts
	seen    map[string]time.Time      // when it first saw others'
}

// forget is a crash and a new start, on a host whose clock says something else.
func (k *worker) forget() {
	k.next, k.settled, k.seen = nil, map[string]links.Standing{}, map[string]time.Time{}
	k.clock = time.Duration(k.world.random.IntN(7200)-3600) * time.Second
}

func (k *worker) time() time.Time { return k.world.now.Add(k.clock) }

func (k *worker) see(attempt string) links.Sight {
	if s, own := k.settled[attempt]; own {
		return links.Sight{Standing: s}
	}
	first, before := k.seen[attempt]
	if !before {
		first = k.world.now
		k.seen[attempt] = first
	}
	if rest := patience - k.world.now.Sub(first); rest > 0 {
		return links.Sight{Standing: links.Watched, Rest: rest}
	}
	return links.Sight{Standing: links.Over}
}

func (k *worker) view() links.View {
	return links.View{Now: k.time(), Rules: k.world.rules, Jitter: k.world.random.Float64(), See: k.see}
}

// hear is the begin of everything: an orphan in the spool, a report, a timer.
func (k *worker) hear() {
	w := k.world
	for id, a := range w.spool {
		if !w.held(id) {
			k.next = func() { k.commit(a) }
			return
		}
	}
	t := timer
	if w.chance(2) {
		t = links.Trigger{Generation: w.stored.Generation, Reason: events.ReasonUnauthorized}
	}
	if w.chance(8) {
		t = links.Trigger{Generation: 1 + uint64(w.random.IntN(int(w.stored.Generation)+1)), Reason: events.ReasonExpired}
	}
	l, revision := w.stored.Observed(w.storedAt), w.revision
	k.next = func() { k.act(l, revision, t) }
}

// held: somebody alive has the answer in hand, so it is no orphan.
func (w *world) held(attempt string) bool {
	for _, k := range w.workers {
		if s, own := k.settled[attempt]; own && s == links.Watched && k.next != nil {
			return true
		}
	}
	return false
}

func (k *worker) act(l links.Link, revision int, t links.Trigger) {
	v := k.view()
	d := l.Decide(t, v)
	if d.Action == links.AskStore {
		v.Asked = true
		if !k.world.fault(10) {
			v.StoreNow = k.world.now
		}
		d = l.Decide(t, v)
	}
	k.world.count(d.Action.String())
	switch d.Action {
	case links.Begin, links.Repeat:
		k.intend(l, revision, t, false)
	case links.Postpone:
		k.world.write(l.Postpone(v.Now, v.Rules, v.Jitter), revision)
	case links.GiveUp:
		k.giveUp(l, revision, v)
	case links.Clear:
		cur, _ := l.Current()
		next, _ := l.Clear(cur.ID, v.Now, time.Time{}, v.Rules, v.Jitter)
		k.world.write(next, revision)
	case links.Mark:
		k.world.write(l.Mark(v, origin), revision)
	case links.Condemn:
		k.world.write(l.Condemn(d.Reason, origin, v.Now), revision)
	case links.Check:
		k.check(l)
	}
}

func (k *worker) giveUp(l links.Link, revision int, v links.View) {
	if kept, ok := l.KeptOf(links.KeptCandidate); ok && kept.Generation == l.Generation {
		k.world.count("candidate promoted")
		k.world.write(l.Promote(kept, k.world.grant(string(kept.Sealed), l), origin, v.Now, v.Rules, v.Jitter), revision)
		return
	}
	next := l.GiveUp(v, origin)
	if l.MayTryLastChance(next, v.Rules) {
		k.world.count("last chance")
		k.intend(l, revision, timer, true)
		return
	}
	k.world.write(next, revision)
}

func (k *worker) check(l links.Link) {
	kept, ok := l.KeptOf(links.KeptPending)
	if !ok {
		k.world.wrong("unverified, and nothing kept to verify")
		return
	}
	a := answer{links.Claim{Attempt: kept.Attempt, Consent: kept.Consent, Generation: kept.Generation}, string(kept.Sealed)}
	k.next = func() { k.commit(a) }
}

// intend writes an intent. Whoever does not know that it is written presents nothing.
func (k *worker) intend(l links.Link, revision int, t links.Trigger, last bool) {
	w := k.world
	w.attempts++
	a := links.Attempt{ID: fmt.Sprint("attempt-", w.attempts), Worker: k.name, At: k.time(), Last: last}
	deadline := w.now.Add(w.rules.Deadline)
	applied, known := w.write(l.Begin(a, !t.Timer, rules), revision)
	if !applied || !known {
		k.settled[a.ID] = links.Unsent
		return
	}
	c := links.Claim{Attempt: a.ID, Consent: l.Consent, Generation: l.Generation}
	k.settled[a.ID] = links.Watched
	k.next = func() { k.present(c, string(l.Sealed), deadline, last) }
}

// present sends the credential, if the connection still takes it, and hears what came of it.
func (k *worker) present(c links.Claim, credential string, deadline time.Time, last bool) {
	w := k.world
	switch {
	case !w.now.Before(deadline) || w.fault(10):
		w.count("not sent")
		k.next = func() { k.clear(c) }
	case w.fault(6):
		w.count("request lost")
		k.settled[c.Attempt] = links.Closed
	default:
		k.listen(c, w.provider.present(c, credential, last))
	}
}

// listen: the answer arrives, however late, or does not.
func (k *worker) listen(c links.Claim, token string) {
	switch {
	case k.world.fault(5):
		k.world.count("response lost")
		k.settled[c.Attempt] = links.Closed
	case token == "":
		k.settled[c.Attempt] = links.Closed
		k.next = func() { k.dead(c) }
	default:
		a := answer{c, token}
		k.next = func() {
			k.world.spool[c.Attempt] = a
			k.next = func() { k.commit(a) }
		}
	}
}

func (k *worker) clear(c links.Claim) {
	k.settled[c.Attempt] = links.Unsent
	l := k.world.stored.Observed(k.world.storedAt)
	if l.Generation != c.Generation || l.Consent != c.Consent {
		return
	}
	if next, cleared := l.Clear(c.Attempt, k.time(), time.Time{}, k.world.rules, 0); cleared {
		k.world.write(next, k.world.revision)
	}
}

func (k *worker) dead(c links.Claim) {
	l := k.world.stored.Observed(k.world.storedAt)
	if !l.Judged(c) {
		return
	}
	if kept, ok := l.KeptOf(links.KeptCandidate); ok && kept.Consent == l.Consent {
		k.world.count("candidate promoted")
		k.world.write(l.Promote(kept, k.world.grant(string(kept.Sealed), l), origin, k.time(), k.world.rules, 0), k.world.revision)
		return
	}
	k.world.count("dead")
	k.world.write(l.Dead(c.Attempt, links.ReasonGrantDead, origin, k.time(), rules), k.world.revision)
}

// commit brings an answer to the record, again and again until it is there, and
// only then takes it out of the spool.
func (k *worker) commit(a answer) {
	w := k.world
	l := w.stored.Observed(w.storedAt)
	result := l.Answers(a.claim, w.rules)
	w.count(result.String())
	switch result {
	case links.ResultAlready:
	case links.ResultLate:
		l = l.Keep(a.claim, links.KeptLate, []byte(a.token), k.time())
	case links.ResultCandidate:
		l = l.Keep(a.claim, links.KeptCandidate, []byte(a.token), k.time())
	default:
		if w.fault(6) {
			l = l.Park(a.claim, []byte(a.token), k.time(), w.rules, 0)
			break
		}
		l = l.Commit(a.claim, w.grant(a.token, l), events.CauseRefresh, origin, k.time(), w.rules, 0)
	}
	if result != links.ResultAlready {
		if applied, known := w.write(l.Settled(l.EventNumber-min(2, l.EventNumber)), w.revision); !applied || !known {
			k.next = func() { k.commit(a) }
			return
		}
	}
	k.next = func() { delete(w.spool, a.claim.Attempt) }
}

// grant is what a provider's token brings.
func (w *world) grant(token string, l links.Link) links.Grant {
	g := grantFor(l.Generation+1, w.now)
	g.Sealed = []byte(token)
	return g
}
