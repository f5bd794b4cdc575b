package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/secret"
)

const (
	rightPassword = "correct horse battery staple"
	// patient is a LockTTL that gives an owner three seconds to answer; brief is one
	// after which an absent owner is soon asked again.
	patient, brief = 10 * time.Second, 3 * time.Second
)

// session is a user who is logged in at a service, the owner of the session, and
// two workers. Owners come and go; the test says what they answer.
type session struct {
	*testing.T
	*fleet.Cell
	system, login, apiKey string
	link                  fleet.Link
	answers               atomic.Value // of type bus.Owner
	asked                 atomic.Int64
}

// logIn makes a link of a user at one of the systems, in a cell of its own.
func logIn(t *testing.T, system string, lockTTL time.Duration, change ...func(*worker.Options)) *session {
	t.Helper()
	t.Parallel()
	behaviour, err := providertest.Named(system)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := providers.Builtin(system)
	if err != nil {
		t.Fatal(err)
	}
	profile.MinInterval = 0
	cell, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: lockTTL, Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{system: {Behaviour: behaviour, Profile: profile}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, cell.Close) })
	s := &session{T: t, Cell: cell, system: system}
	s.link, s.login = s.linked("anna")
	for _, id := range []string{"a", "b"} {
		start(t, cell, id, func(o *worker.Options) {
			for _, f := range change {
				f(o)
			}
		})
	}
	return s
}

// linked makes a link of the user with a login of its own.
func (s *session) linked(user string) (l fleet.Link, login string) {
	s.Helper()
	login = "login-" + ulid.Make().String()
	l = fleet.Link{Address: events.Address{Tenant: "default", Provider: s.system, Link: ulid.Make().String()}, Grant: s.Sim.Issue(s.system, login)}
	line := handlers.ImportLine{
		Address: l.Address, User: user, Sub: login, Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: l.ExpiresAt,
	}
	if slices.Contains(s.Config.Providers[s.system].Grants, providers.GrantAPIKey) {
		s.apiKey = s.Sim.IssueAPIKey(s.system, login)
		line.APIKey = secret.New(s.apiKey)
	} else {
		s.Sim.SetPassword(s.system, login, rightPassword)
	}
	if err := worker.Importer(s.Config, s.Bus, s.Store, s.Keys, time.Now).Import(s.Context(), line); err != nil {
		s.Fatal(err)
	}
	return l, login
}

// owned begins to answer for the session, on a connection of its own.
func (s *session) owned(by bus.Owner) (gone func()) {
	s.Helper()
	s.answers.Store(by)
	conn, err := s.Connect(s.Context(), "owner")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { closeWithin(s.T, conn.Close) })
	stop, err := conn.ServeCredentials(s.Context(), events.Address{Provider: s.system}, func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
		s.asked.Add(1)
		return s.answers.Load().(bus.Owner)(ctx, a)
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(stop)
	return stop
}

// knows answers with a password; says with an error in its place.
func (s *session) knows(password string) bus.Owner {
	return func(context.Context, credentials.Ask) (credentials.Credential, error) {
		return credentials.Credential{Username: secret.New(s.login), Password: secret.New(password)}, nil
	}
}

func says(err error) bus.Owner {
	return func(context.Context, credentials.Ask) (credentials.Credential, error) {
		return credentials.Credential{}, err
	}
}

// fails publishes n reports of one dead bearer, none of which the broker drops.
func (s *session) fails(a events.Address, generation uint64, n int) {
	s.Helper()
	for range n {
		m, err := s.Report(events.TokenExpired{Address: a, Generation: generation, Reason: events.ReasonUnauthorized})
		if err == nil {
			delete(m.Header, events.HeaderMsgID)
			err = s.Bus.PublishInput(s.Context(), m)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
}

// settles waits until every input has been delivered and acked.
func (s *session) settles() {
	s.Helper()
	n, js := s.Bus.Names(), s.Bus.JetStream()
	in, err := js.Stream(s.Context(), n.In())
	if err != nil {
		s.Fatal(err)
	}
	last := in.CachedInfo().State.LastSeq // which a consumer hears of a moment later
	testenv.Eventually(s, limit, "every input is settled", func() bool {
		of, err := js.Consumer(s.Context(), n.In(), n.WorkerConsumer(s.system))
		return err == nil && of.CachedInfo().AckFloor.Stream >= last
	})
}

// recovers reports again and again, as services do, until the link has the generation.
func (s *session) recovers(generation uint64) {
	s.Helper()
	testenv.Eventually(s, limit, "a report finds the session back", func() bool {
		s.fails(s.link.Address, generation-1, 1)
		s.settles()
		return link(s.T, s.Cell, s.link.Address).Generation == generation
	})
	awaitGeneration(s.T, s.Cell, s.link.Address, generation)
}

// told are the names of what was announced of the link, in order, and the reasons
// that were given.
func (s *session) told() (names []events.Name, reasons []string) {
	s.Helper()
	for _, m := range s.stored(s.Bus.Names().Out()) {
		a, name, err := s.Bus.Names().Subjects().ParseOut(m.Subject)
		if err != nil {
			s.Fatal(err)
		}
		var e struct{ Data struct{ Reason string } }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			s.Fatal(err)
		}
		if a != s.link.Address {
			continue
		}
		if names = append(names, name); e.Data.Reason != "" {
			reasons = append(reasons, e.Data.Reason)
		}
	}
	return names, reasons
}

func (s *session) stored(name string) (all []*jetstream.RawStreamMsg) {
	s.Helper()
	of, err := s.Bus.JetStream().Stream(s.Context(), name)
	if err != nil {
		s.Fatal(err)
	}
	for seq := uint64(1); seq <= of.CachedInfo().State.LastSeq; seq++ {
		m, err := of.GetMsg(s.Context(), seq)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// wantTold fails unless this is all that was announced after the link was made.
func (s *session) wantTold(want ...events.Name) {
	s.Helper()
	if got, _ := s.told(); !slices.Equal(got, append([]events.Name{events.NameLinkCreated}, want...)) {
		s.Errorf("announced %q, want %q after the first", got, want)
	}
}

// shown counts the presentations of a kind of credential.
func (s *session) shown(kind string) int {
	s.Helper()
	ledger, err := s.Sim.Ledger()
	if err != nil {
		s.Fatal(err)
	}
	return len(ledger.Presentations(providertest.Filter{Kind: kind}))
}

func (s *session) wantShown(want map[string]int) {
	s.Helper()
	for kind, n := range want {
		if got := s.shown(kind); got != n {
			s.Errorf("%s: presented %d times, want %d", kind, got, n)
		}
	}
}

// R18: another device's login kills our token. The refresh token replaces it, or
// where that is dead too the password; the user notices nothing.
func TestR18AnotherDevicesLoginCostsNoPrompt(t *testing.T) {
	s := logIn(t, "wso2", patient)
	s.owned(s.knows(rightPassword))
	s.Sim.ForeignLogin("wso2", s.login)
	if s.Sim.Alive(s.link.AccessToken) {
		t.Fatal("our bearer lives on: the simulator is not wso2")
	}
	s.fails(s.link.Address, 1, 1)
	awaitGeneration(t, s.Cell, s.link.Address, 2)
	s.wantShown(map[string]int{providertest.KindRefresh: 1, providertest.KindPassword: 0})
	if n := s.asked.Load(); n != 0 {
		t.Errorf("the password was asked for %d times beside a good refresh token", n)
	}

	s.Sim.RevokeAtSite("wso2", s.login)
	s.fails(s.link.Address, 2, 1)
	awaitGeneration(t, s.Cell, s.link.Address, 3)
	s.wantShown(map[string]int{providertest.KindRefresh: 2, providertest.KindPassword: 1})

	s.Sim.ForeignLogin("wso2", s.login) // what the password brought has a refresh token
	s.fails(s.link.Address, 3, 1)
	awaitGeneration(t, s.Cell, s.link.Address, 4)
	s.wantShown(map[string]int{providertest.KindRefresh: 3, providertest.KindPassword: 1})
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the password was asked for %d times, want once", n)
	}
	s.settles()
	s.wantTold(events.NameTokenRotated, events.NameTokenRotated, events.NameTokenRotated)
}

// R18: whichever way a session is gone, it is called for once; a storm of reports
// does not become a storm of questions; and once it is back, so is the link.
func TestR18AnAbsentOwnerIsCalledForOnce(t *testing.T) {
	for name, c := range map[string]struct {
		owner  bus.Owner // nil: nobody listens
		reason string
		// asks says that the owner counts what it is asked; shows that it is presented.
		asks, shows bool
	}{
		"nobody": {nil, links.CredentialsNoAnswer, false, false},
		"silent": {says(credentials.ErrNotMine), links.CredentialsNoAnswer, true, false},
		"over":   {says(credentials.ErrRefused), links.CredentialsRefused, true, false},
		"wrong": {func(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
			return credentials.Credential{Username: secret.New("anna"), Password: secret.New("not her password")}, nil
		}, links.CredentialsRefused, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := logIn(t, "wso2", brief)
			if c.owner != nil {
				s.owned(c.owner)
			}
			s.Sim.RevokeAtSite("wso2", s.login)
			began := time.Now()
			s.fails(s.link.Address, 1, 200)
			s.settles()
			most := 1 + int(time.Since(began)/brief) // an absent owner is asked again after as long
			if n := int(s.asked.Load()); n > most || c.asks && n == 0 {
				t.Errorf("200 reports became %d questions, want %d at most", n, most)
			}
			if n := s.shown(providertest.KindPassword); n > most || (n > 0) != c.shows {
				t.Errorf("the password was presented %d times", n)
			}
			if l := link(t, s.Cell, s.link.Address); l.Status != links.ConsentRequired || l.Generation != 1 {
				t.Errorf("%s at generation %d", l.Status, l.Generation)
			}
			s.wantTold(events.NameCredentialsRequired)
			if _, reasons := s.told(); !slices.Equal(reasons, []string{c.reason}) {
				t.Errorf("reasons %q, want %q", reasons, c.reason)
			}
			s.wantShown(map[string]int{providertest.KindRefresh: 1})

			if c.owner == nil {
				s.owned(s.knows(rightPassword))
			} else {
				s.answers.Store(s.knows(rightPassword))
			}
			s.recovers(2)
			s.wantTold(events.NameCredentialsRequired, events.NameTokenRotated, events.NameLinkRecovered)
		})
	}
}

// An owner that ends while it is asked leaves the worker with no answer, and the
// one that takes its place is asked the next time.
func TestR18AnOwnerThatEndsWhileAskedIsReplaced(t *testing.T) {
	s := logIn(t, "wso2", brief)
	asked := make(chan struct{}, 1)
	gone := s.owned(func(ctx context.Context, _ credentials.Ask) (credentials.Credential, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return credentials.Credential{}, ctx.Err()
	})
	s.Sim.RevokeAtSite("wso2", s.login)
	s.fails(s.link.Address, 1, 1)
	<-asked
	gone()
	s.owned(s.knows(rightPassword))
	s.recovers(2)
	s.wantTold(events.NameCredentialsRequired, events.NameTokenRotated, events.NameLinkRecovered)
}

// R18: after a logout nobody asks for the password, though its owner would still
// give it, and nothing is presented: neither for a link that was well, nor for one
// that waits for its credentials.
func TestR18ALogoutForgetsTheSession(t *testing.T) {
	for name, waits := range map[string]bool{"well": false, "waits for credentials": true} {
		t.Run(name, func(t *testing.T) {
			s := logIn(t, "wso2", brief)
			s.owned(says(credentials.ErrRefused))
			if waits {
				s.Sim.RevokeAtSite("wso2", s.login)
				s.fails(s.link.Address, 1, 1)
				s.settles()
				s.wantTold(events.NameCredentialsRequired)
			}
			s.answers.Store(s.knows(rightPassword))
			logout(t, s.Cell, s.link.Address, events.LogoutLink)
			awaitRevoked(t, s.Cell, s.link.Address)
			asked, shown := s.asked.Load(), s.shown("")
			began := time.Now()
			testenv.Eventually(t, limit, "an owner that was away would be asked again", func() bool {
				s.fails(s.link.Address, 1, 10)
				s.settles()
				return !waits || time.Since(began) > brief
			})
			if s.asked.Load() != asked || s.shown("") != shown {
				t.Errorf("asked %d times and presented %d credentials after the logout", s.asked.Load()-asked, s.shown("")-shown)
			}
			if l := link(t, s.Cell, s.link.Address); l.Status != links.Revoked || len(l.Sealed) > 0 || l.Due != (time.Time{}) {
				t.Errorf("%s, with %d sealed bytes, due %s", l.Status, len(l.Sealed), l.Due)
			}
		})
	}
}

// A logout that overtakes a login: the answer to the password comes when the user
// has logged out, and is not served.
func TestR18ALogoutDuringALogin(t *testing.T) {
	s := logIn(t, "wso2", patient)
	s.owned(s.knows(rightPassword))
	s.Sim.RevokeAtSite("wso2", s.login)
	arrived, hold := make(chan providertest.Presentation), make(chan struct{})
	s.Sim.Script("wso2", providertest.Fault{}, providertest.Fault{When: providertest.After, Arrived: arrived, Hold: hold})
	s.fails(s.link.Address, 1, 1)
	if p := <-arrived; p.Kind != providertest.KindPassword {
		t.Fatalf("%s arrived second", p.Kind)
	}
	logout(t, s.Cell, s.link.Address, events.LogoutLink)
	close(hold)
	awaitRevoked(t, s.Cell, s.link.Address)
	s.settles()
	l := link(t, s.Cell, s.link.Address)
	if l.Status != links.Revoked || len(l.Sealed) > 0 {
		t.Errorf("%s with %d sealed bytes after the logout", l.Status, len(l.Sealed))
	}
	for _, token := range s.Sim.Issued() {
		if s.Sim.Alive(token) {
			t.Error("a bearer that the password brought outlives the logout at the provider")
		}
	}
}

// Where the provider has one token per user, its links are refreshed one after the
// other: while one of them logs in nothing is presented, or asked for, of another.
func TestR18OneLoginAtATimePerUser(t *testing.T) {
	var second atomic.Value
	tried := make(chan struct{}, 64)
	s := logIn(t, "wso2", 2*time.Second, func(o *worker.Options) {
		o.Probe = func(step handlers.Step, when handlers.When, a events.Address) {
			if step == handlers.StepLock && when == handlers.Before && a == second.Load() {
				tried <- struct{}{}
			}
		}
	})
	other, login := s.linked("anna")
	second.Store(other.Address)
	logins := map[string]string{s.link.Link: s.login, other.Link: login}
	s.owned(func(_ context.Context, a credentials.Ask) (credentials.Credential, error) {
		return credentials.Credential{Username: secret.New(logins[a.Link]), Password: secret.New(rightPassword)}, nil
	})
	for _, login := range logins {
		s.Sim.RevokeAtSite("wso2", login)
	}
	arrived, hold := make(chan providertest.Presentation), make(chan struct{})
	s.Sim.Script("wso2", providertest.Fault{}, providertest.Fault{Arrived: arrived, Hold: hold})
	s.fails(s.link.Address, 1, 1)
	<-arrived
	s.fails(other.Address, 1, 1)
	<-tried
	<-tried // the first try has waited in vain, and was put back
	if asked, shown := s.asked.Load(), s.shown(""); asked != 1 || shown != 2 {
		t.Errorf("%d questions and %d presentations while the first link logs in, want 1 and 2", asked, shown)
	}
	close(hold)
	awaitGeneration(t, s.Cell, s.link.Address, 2)
	awaitGeneration(t, s.Cell, other.Address, 2)
}

// R20: a dead refresh token is replaced by the key; only when that is dead too the
// user is asked, once, and for consent.
func TestR20TheKeyComesBeforeTheUser(t *testing.T) {
	s := logIn(t, "sdk", brief)
	s.Sim.RevokeAtSite("sdk", s.login)
	s.fails(s.link.Address, 1, 200)
	awaitGeneration(t, s.Cell, s.link.Address, 2)
	s.settles()
	s.wantShown(map[string]int{providertest.KindRefresh: 1, providertest.KindAPIKey: 1})
	s.wantTold(events.NameTokenRotated)

	s.Sim.RevokeAtSite("sdk", s.login)
	s.Sim.RevokeAPIKey("sdk", s.apiKey)
	s.fails(s.link.Address, 2, 200)
	s.settles()
	s.wantShown(map[string]int{providertest.KindRefresh: 2, providertest.KindAPIKey: 2})
	s.wantTold(events.NameTokenRotated, events.NameConsentRequired)
	if l := link(t, s.Cell, s.link.Address); l.Status != links.ConsentRequired {
		t.Errorf("%s with nothing left to present", l.Status)
	}
}

// R20: an answer that is lost is made up for by the key, and the refresh token,
// which may be spent, is not shown again.
func TestR20ALostAnswerIsMadeUpForByTheKey(t *testing.T) {
	for _, kind := range []providertest.Kind{providertest.Reset, providertest.Truncate, providertest.Garbage, providertest.Status500} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			s := logIn(t, "sdk", patient)
			s.Sim.Script("sdk", providertest.Fault{When: providertest.After, Kind: kind})
			s.fails(s.link.Address, 1, 1)
			awaitGeneration(t, s.Cell, s.link.Address, 2)
			s.settles()
			s.wantShown(map[string]int{providertest.KindRefresh: 1, providertest.KindAPIKey: 1})
			s.wantTold(events.NameTokenRotated)
		})
	}
}
