package reconsent_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// mixes is how many seeds go test runs. REGRANT_SEEDS sets another number,
// REGRANT_SEED=n runs one: the failing seed stands in the test's name.
const mixes = 40

// TestMixed lets a seed choose who consents, reports, decides, logs out and repeats
// what was said before, and which of two workers dies where, on real servers. All
// comes to rest, and what is left is held against what is promised.
//
// A seed repeats what is done and in which order; when the workers come to do their
// part is the machine's affair. handlers has the same in full under a clock that a
// seed drives.
func TestMixed(t *testing.T) {
	first, n := uint64(1), uint64(mixes)
	if testing.Short() {
		n = mixes / 10
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEEDS"), 10, 64); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("REGRANT_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	natsURL, redisURL := testenv.NATS(t), testenv.Redis(t)
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				t.Parallel()
				m := &mix{cell: newCell(t, natsURL, redisURL, seed), random: rand.New(rand.NewPCG(seed, 3))}
				m.run()
			})
		}
	})
}

// mix is the run of one seed.
type mix struct {
	*cell
	random *rand.Rand
	said   []events.Message // every input so far
	flows  []begun
}

// begun is a consent flow, of which its callback service knows the state.
type begun struct{ state string }

func (m *mix) run() {
	m.imports("anna", "home")
	if m.random.IntN(2) == 0 {
		m.imports("ben", "club")
	}
	for range 15 + m.random.IntN(20) {
		m.choose()
	}
	m.rest()
	m.judge(m.flows)
}

// choose does one thing.
func (m *mix) choose() {
	switch n := m.random.IntN(20); {
	case n < 7:
		m.consent()
	case n < 11:
		m.expire()
	case n < 13:
		m.decide()
	case n < 14:
		m.say(events.LogoutRequested{Address: m.link().Address, Scope: events.LogoutLink})
	case n < 16:
		m.repeat()
	case n < 17:
		m.disturb()
	case n < 19:
		m.crash()
	default:
		m.rest()
	}
}

// pick is one of several.
func pick[T any](m *mix, of ...T) T { return of[m.random.IntN(len(of))] }

// link is a link that there is.
func (m *mix) link() links.Link { return pick(m, m.witness.all()...) }

// consent begins a flow, plays its browser and reports what came back. Where the
// worker that was asked has just died, nothing comes of it.
func (m *mix) consent() {
	user, login, link := pick(m, "anna", "ben"), pick(m, "home", "work", "club"), ""
	if l := m.link(); m.random.IntN(3) > 0 && l.User != "" {
		user, link = l.User, l.Link
	}
	var out api.ConsentBegun
	err := m.Bus.Request(m.ctx, m.Bus.Names().Subjects().API("default", api.VerbConsentBegin), api.ConsentBegin{
		Provider: provider, Link: link, User: user, RedirectURI: redirectURI, Scopes: []string{"openid"},
	}, &out)
	if err != nil {
		m.t.Logf("no flow was begun: %v", err)
		return
	}
	back, err := m.Sim.Consent(out.AuthorizeURL, login)
	if err != nil {
		m.t.Fatal(err)
	}
	m.flows = append(m.flows, begun{out.State})
	m.say(events.ReconsentCompleted{
		Address: events.Address{Tenant: "default", Provider: provider, Link: out.Link},
		State:   out.State, Code: events.Code(back.Code), Iss: back.Iss, User: user,
	})
}

// expire reports the token that a link has by now.
func (m *mix) expire() {
	if l := m.link(); l.Generation > 0 {
		m.say(events.TokenExpired{Address: l.Address, Generation: l.Generation, Reason: events.ReasonUnauthorized})
	}
}

// decide decides on what is held, or on what is not.
func (m *mix) decide() {
	l := m.link()
	consent := 1 + l.Consented
	for _, held := range m.witness.all() {
		if held.Hold != nil {
			l, consent = held, held.Hold.Consent
		}
	}
	m.say(events.LinkReplacementDecided{Address: l.Address, Consent: consent, Decision: pick(m, events.DecisionApprove, events.DecisionReject)})
}

func (m *mix) say(d events.Data) {
	said, err := m.input(d)
	if err == nil {
		err = m.Bus.PublishInput(m.ctx, said)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.said = append(m.said, said)
}

// repeat says something once more, past the broker's own protection against it.
func (m *mix) repeat() {
	if len(m.said) == 0 {
		return
	}
	again := pick(m, m.said...)
	if _, err := m.Bus.JetStream().Publish(m.ctx, again.Subject, again.Data); err != nil {
		m.t.Fatal(err)
	}
}

// disturb makes the provider fail the next request to its token endpoint. None of
// these lets a credential be shown again.
func (m *mix) disturb() {
	m.Sim.Script(provider, pick(m,
		providertest.Fault{When: providertest.After, Kind: providertest.Reset},
		providertest.Fault{When: providertest.After, Kind: providertest.Truncate},
		providertest.Fault{When: providertest.After, Kind: providertest.Delay, Delay: lockTTL},
		providertest.Fault{When: providertest.Before, Kind: providertest.Status500},
	))
}

// crash lets a worker die at the next point of a kind that it comes to, if it comes
// there soon, or stops one as an operator does; another takes its place.
func (m *mix) crash() {
	steps := append(handlers.FlowSteps(), handlers.Steps()...)
	w := pick(m, m.workers...)
	if m.random.IntN(4) == 0 {
		m.retire(w)
		return
	}
	step, when := pick(m, steps...), pick(m, handlers.Before, handlers.After)
	w.dieAt(step, when)
	m.consent()
	limit := time.NewTimer(lockTTL)
	defer limit.Stop()
	select {
	case <-w.dead:
		m.t.Logf("a worker died %s %s", when, step)
		m.bury(w)
	case <-limit.C:
	}
}
