package handlers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// chainSeeds is how many runs of the chains go test makes; see seeds.
const chainSeeds = 100

// TestSimulationOfChains is TestSimulation with providers that have one to three
// grants, a session whose owner comes and goes, bearers that other clients kill, a
// provider that calls what lives dead, and services that use what is served.
func TestSimulationOfChains(t *testing.T) {
	first, n := seedsOf(chainSeeds)
	for seed := first; seed < first+n; seed++ {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateChains(t, seed, newHistory(nil)) })
		}) {
			return
		}
	}
}

func simulateChains(t *testing.T, seed uint64, h *history) {
	r := newChainRun(t, seed)
	r.simulation.history = h
	r.run()
}

// chainRun is a run of one seed.
type chainRun struct {
	*simulation
	*vault
	chain []providers.Grant
	uses  int
	seed  uint64
	// often: one in so many times something happens around the workers. few, if any, are
	// all that happens.
	often int
	few   []int
}

func newChainRun(t *testing.T, seed uint64) *chainRun {
	random := rand.New(rand.NewPCG(seed, 1))
	replay := rules["forbidden"]
	if names := []string{"safe", "grace", "until_successor_used"}; random.IntN(3) == 0 {
		replay = rules[names[random.IntN(3)]]
	}
	chain := chainOf(random)
	profile := providers.Profile{ClientID: "client", Rotation: "always", Replay: replay, Grants: chain, RenewMargin: 2 * time.Hour}
	if cutOff(seed) {
		chain = []providers.Grant{providers.GrantRefreshToken, []providers.Grant{providers.GrantAPIKey, providers.GrantClientCredentials}[seed/4%2]}
		profile.Grants = chain
	}
	w := worldOf(t, profile, func(line *handlers.ImportLine) {
		if slices.Contains(chain, providers.GrantAPIKey) && random.IntN(4) > 0 {
			line.APIKey = secret.New(canary + "-key")
		}
		if len(chain) > 1 && random.IntN(4) == 0 {
			line.Refresh = secret.Value{}
		}
	})
	r := &chainRun{simulation: &simulation{world: w, random: random}, vault: newVault(w), chain: chain, seed: seed}
	r.single, r.bare = random.IntN(2) == 0, random.IntN(2) == 0
	r.vault.life = []time.Duration{time.Hour, 90 * time.Second}[random.IntN(2)]
	w.rules.NewRefreshInvalidatesOldAccess = r.single
	return r
}

// chainOf are one to three of the four grants, in any order.
func chainOf(random *rand.Rand) []providers.Grant {
	all := []providers.Grant{providers.GrantRefreshToken, providers.GrantAPIKey, providers.GrantClientCredentials, providers.GrantPassword}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+random.IntN(3)]
}

func (r *chainRun) run() {
	s := r.simulation
	s.tell("chain %v, %+v", r.chain, s.rules.Replay)
	s.begin()
	s.report(1)
	r.uses = 1 + s.random.IntN(6)
	if r.often = 12; themed(r.seed) {
		s.narrow()
		r.narrow()
	}
	if cutOff(r.seed) {
		r.cut, s.burst, s.pauses = true, 25, []time.Duration{16 * time.Second, 125 * time.Second}
	}
	for range 60 + s.random.IntN(240) {
		if s.random.IntN(r.often) == 0 {
			r.happen()
		}
		s.choose()
	}
	r.lies, r.spiking, r.cut = false, false, false
	if s.random.IntN(2) == 0 {
		s.session = nil
	} else {
		s.session = anotherLogin()
	}
	s.comeToRest()
	r.judge()
}

// cutOff are a quarter of the seeds of chains that have a theme: the way back from the
// provider is cut most of the time, and what can be tried besides a refresh token is tried again and again.
func cutOff(seed uint64) bool { return themed(seed) && seed/16%4 == 0 }

// narrow draws what goes on around the workers in a run that has a theme.
func (r *chainRun) narrow() {
	r.often = []int{3, 6, 12}[r.random.IntN(3)]
	for range 1 + r.random.IntN(4) {
		r.few = append(r.few, r.random.IntN(12))
	}
}

// happen is what goes on around the workers.
func (r *chainRun) happen() {
	s := r.simulation
	n := s.random.IntN(12)
	if len(r.few) > 0 {
		n = r.few[n%len(r.few)]
	}
	switch {
	case cutOff(r.seed) && s.random.IntN(4) == 0:
		r.cut = s.random.IntN(8) > 0
		s.tell("no answer arrives: %v", r.cut)
	case n == 0 && s.random.IntN(20) == 0:
		r.logout()
		s.tell("the user logs out")
	case n < 4 && r.uses > 0:
		r.uses--
		s.tell("the bearer is used")
		r.use()
	case n < 6:
		clear(r.until)
		s.tell("another client kills the bearer")
	case n < 9:
		owners := []string{"nobody", "answers", "refuses", "is not reached"}
		owner := s.random.IntN(len(owners))
		s.session = []func() (credentials.Credential, error){nil, anotherLogin(), refusedPassword, unreached}[owner]
		s.tell("the session's owner: %s", owners[owner])
	case n < 10:
		r.refuses[r.chain[s.random.IntN(len(r.chain))]] = true
		s.tell("from now on refused: %v", r.refuses)
	case n < 11:
		r.spiking = !r.spiking
		r.lies = r.spiking
		s.tell("everything is called dead: %v", r.lies)
	default:
		r.lies = !r.lies
		s.tell("what lives is called dead: %v", r.lies)
	}
}

// judge holds the world at rest against the guarantees, and against what chains are
// for: as long as one grant is good, the link is.
func (r *chainRun) judge() {
	s, skew := r.simulation, 45*time.Second // between the worst clocks
	for range 20 {
		if s.link().Status != links.Active || r.lives(skew) {
			break
		}
		r.use()
		s.sleep(time.Minute) // past the minimum between two questions
		s.drain()
	}
	switch l := s.link(); l.Status {
	case links.Active:
		r.judgeServed(l)
	case links.ConsentRequired:
		r.judgeLost()
	case links.Revoked:
		if l.Sealed != nil || l.Kept != nil || !l.Alarm().IsZero() {
			s.t.Errorf("of a link that was logged out there is left %+v", l)
		}
	default:
		s.t.Errorf("G5: the link rests %s at generation %d, due %v for %q", l.Status, l.Generation, l.Due, l.DueFor)
	}
	if s.link().Status != links.Revoked {
		r.judgePresentations()
	}
	r.judgeTold()
	r.judgeSessionBack()
}

// judgeServed asks for the bearer as a service does.
func (r *chainRun) judgeServed(l links.Link) {
	s := r.simulation
	if !r.lives(0) {
		s.t.Errorf("the bearer of generation %d is dead, and reports do not help", l.Generation)
	}
	b, err := s.processes[0].h.Token(context.Background(), theLink, api.Token{})
	if want := r.tokens().Access.Reveal(); err != nil || string(b.AccessToken) != want || b.Generation != l.Generation {
		s.t.Errorf("served is generation %d (%v), committed %d", b.Generation, err, l.Generation)
	}
}

// judgeLost: each grant of the chain is truly of no use.
func (r *chainRun) judgeLost() {
	l, t := r.simulation.link(), r.tokens()
	for _, g := range r.chain {
		var useless bool
		switch g {
		case providers.GrantRefreshToken:
			useless = t.Refresh.IsZero() || r.intended[t.Refresh.Reveal()]
		case providers.GrantAPIKey:
			useless = t.APIKey.IsZero()
		case providers.GrantPassword:
			useless = l.Awaiting != nil
		}
		if !useless && !r.heard[g] {
			r.simulation.t.Errorf("the user is wanted, and %s was not called dead", g)
		}
	}
}

// judgeTold: whoever is called for is called once, and told when it is over.
func (r *chainRun) judgeTold() {
	s := r.simulation
	l := s.link()
	if n := uint64(len(s.broker.stored)); n != l.EventNumber {
		s.t.Errorf("G4: %d of %d events are stored", n, l.EventNumber)
	}
	called := false
	for _, name := range s.names() {
		switch events.Name(name) {
		case events.NameConsentRequired, events.NameCredentialsRequired:
			if called {
				s.t.Errorf("called for twice: %q", s.names())
			}
			called = true
		case events.NameLinkRecovered, events.NameLinkRevoked:
			called = false
		}
	}
	if called != (l.Status == links.ConsentRequired) {
		s.t.Errorf("G4: told %q, and the link is %s", s.names(), l.Status)
	}
	s.wantArmed()
}

// judgeSessionBack: where there is a password in the chain, its owner brings the
// link back with one report.
func (r *chainRun) judgeSessionBack() {
	s := r.simulation
	if s.link().Status != links.ConsentRequired || !slices.Contains(r.chain, providers.GrantPassword) {
		return
	}
	s.session = anotherLogin()
	clear(r.refuses)
	s.sleep(time.Minute)
	s.report(s.link().Generation)
	s.drain()
	if l := s.link(); l.Status != links.Active || !r.lives(0) {
		s.t.Errorf("the session is back, and the link stays %s", l.Status)
	}
	r.judgeTold()
}
