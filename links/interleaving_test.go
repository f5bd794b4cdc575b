package links_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/links"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the interleavings; 0 takes another one each time")
	worldsFlag = flag.Int("worlds", 10_000, "number of interleavings")
)

// provider rotates a one-time refresh token with every use and forgives a
// second use as its rule says. What it does not forgive revokes the grant.
type provider struct {
	world   *world
	tokens  map[string]*token
	revoked bool
}

// token is a refresh token. used: the bearer that came with it was handed out.
type token struct {
	spentAt    time.Time
	shown      int
	successors []string
	used       bool
}

// present returns the next token, or "" for a grant that is dead. A last chance
// may be one too many: it is taken when nothing is left to lose, and once.
func (p *provider) present(c links.Claim, credential string, last bool) string {
	t := p.tokens[credential]
	t.shown++
	if t.shown > 1 {
		p.world.count("presented again")
		if !p.forgives(t) {
			p.revoked = true
		}
		if p.revoked && (!last || t.shown > 2) {
			p.world.wrong("%s presents the credential of generation %d for the %d. time, which the provider does not forgive", c.Attempt, c.Generation, t.shown)
		}
	} else {
		t.spentAt = p.world.now
	}
	if p.revoked {
		return ""
	}
	next := fmt.Sprintf("token-%d-of-%s", t.shown, c.Attempt)
	p.tokens[next] = &token{}
	t.successors = append(t.successors, next)
	return next
}

// follows says that a token was the answer to a credential.
func (p *provider) follows(credential, token string) bool {
	return slices.Contains(p.tokens[credential].successors, token)
}

func (p *provider) forgives(t *token) bool {
	inside := !p.world.now.After(t.spentAt.Add(p.world.rules.Window))
	switch p.world.rules.Replay {
	case links.Safe:
		return true
	case links.Grace:
		return inside
	case links.UntilSuccessorUsed:
		for _, s := range t.successors {
			if p.tokens[s].used {
				return false
			}
		}
		return inside
	default:
		return false
	}
}

// quiet lets a world without further faults come to rest, with time passing and
// reports coming, and says what is not as it should be then.
func (w *world) quiet() {
	w.faults = false
	for _, k := range w.workers {
		k.clock = 0
	}
	for n := 0; n < 300 && (n < 30 || !w.rests()); n++ {
		w.step()
		if w.chance(10) {
			w.now = w.now.Add(10 * time.Minute) // past what skewed clocks have put off
		}
	}
	for range 60 {
		for _, k := range w.workers {
			if k.next != nil {
				next := k.next
				k.next = nil
				next()
			}
		}
	}
	if n := len(w.spool); n > 0 {
		w.wrong("%d answers are in the spool for ever", n)
	}
	switch w.stored.Status {
	case links.Active, links.Refreshing: // refreshing: the last step of the loop was an intent
	case links.ConsentRequired:
		w.count("ends: consent required")
	default:
		w.wrong("it comes to rest %s, attempts %v, due %v for %q, now %v", w.stored.Status, w.stored.Attempts, w.stored.Due, w.stored.DueFor, w.now)
	}
}

// rests says that nobody is doing anything and nothing is owed.
func (w *world) rests() bool {
	idle := !slices.ContainsFunc(w.workers, func(k *worker) bool { return k.next != nil })
	return idle && len(w.spool) == 0 && (w.stored.Status == links.Active || w.stored.Status == links.ConsentRequired)
}

// TestInterleavings runs worlds of three workers at random (G1, G3). A failure
// names its seed; -seed runs it again.
func TestInterleavings(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	worlds := *worldsFlag
	if testing.Short() {
		worlds /= 10
	}
	lastChance := with(links.Forbidden)
	lastChance.LastChance = true
	kinds := []links.Rules{with(links.Forbidden), with(links.Safe), with(links.Grace), with(links.UntilSuccessorUsed), lastChance}
	happened := map[string]int{}
	for n := range worlds {
		rule := kinds[n%len(kinds)]
		w := newWorld(seed+uint64(n), rule, 3)
		for range 80 {
			w.step()
		}
		w.quiet()
		for what, times := range w.steps {
			happened[what] += times
		}
		if len(w.broken) > 0 {
			t.Fatalf("-seed %d -worlds %d shows, under %+v:\n%s", seed, n+1, rule, strings.Join(w.broken, "\n"))
		}
	}
	t.Logf("seed %d: %v", seed, happened)
	for _, what := range []string{
		"begin", "repeat", "give_up", "postpone", "clear", "mark", "check", "wait", "finish", "future", "crash", "conflict",
		"not sent", "request lost", "response lost", "write not applied, answer lost", "write applied, answer lost",
		"committed", "already", "candidate", "candidate promoted", "presented again", "last chance", "dead", "ends: consent required",
	} {
		if happened[what] == 0 {
			t.Errorf("%q never happened: the worlds are too tame", what)
		}
	}
}
