package canary_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

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

// sessions are users whose passwords live in the memory of one service, and API
// keys that Regrant keeps; the workers are processes.
type sessions struct {
	*world
	config string
	// tmp is where the processes put what they think is temporary.
	tmp string
	// said is what processes have said that have ended, on both outputs.
	said, scraped buffer

	mu     sync.Mutex
	logins map[string]*login // by link
}

// login is a user's at a provider, and what must not be found.
type login struct {
	*sessions
	fleet.Link
	name, password, apiKey string
	// gives is what the owner of the session answers, if not name and password.
	gives func(context.Context) (user, password string, err error)
	asked int
}

// other is a second provider like wso2: of twenty dead grants at one, an outage is made.
const other = "wso2-2"

// newSessions is a cell at wso2 and sdk, with the owner of all sessions.
func newSessions(t *testing.T, lockTTL time.Duration) *sessions {
	t.Helper()
	w := &world{t: t}
	s := &sessions{world: w, tmp: t.TempDir(), logins: map[string]*login{}}
	configured := map[string]fleet.Provider{}
	for name, system := range map[string]string{"wso2": "wso2", other: "wso2", "sdk": "sdk"} {
		b, err := providertest.Named(system)
		w.ok(err)
		p, err := providers.Builtin(system)
		w.ok(err)
		p.MinInterval = 0
		configured[name] = fleet.Provider{Behaviour: b, Profile: p}
	}
	w.build(configured, lockTTL)
	w.listen()
	var err error
	s.config, err = w.cell.WriteConfig()
	w.ok(err)
	conn, err := w.cell.Connect(t.Context(), "owner")
	w.ok(err)
	w.end(conn.Close)
	stop, err := conn.ServeCredentials(t.Context(), events.Address{}, s.give)
	w.ok(err)
	t.Cleanup(stop)
	return s
}

func (s *sessions) give(ctx context.Context, a credentials.Ask) (credentials.Credential, error) {
	s.mu.Lock()
	l, ok := s.logins[a.Link]
	if !ok {
		s.mu.Unlock()
		return credentials.Credential{}, credentials.ErrNotMine
	}
	l.asked++
	gives, user, password := l.gives, l.name, l.password
	s.mu.Unlock()
	var err error
	if gives != nil {
		user, password, err = gives(ctx)
	}
	return credentials.Credential{Username: secret.New(user), Password: secret.New(password)}, err
}

// newLogin makes a user who is logged in, with a grant that is not imported. Each
// secret has in it what one encoding or another would change.
func (s *sessions) newLogin(provider string) *login {
	id := ulid.Make().String()
	l := &login{sessions: s, name: "user <" + id + ">&anna", password: `pass "` + id + `" + wörd`}
	l.Link = fleet.Link{Address: events.Address{Tenant: "default", Provider: provider, Link: ulid.Make().String()}, Grant: s.cell.Sim.Issue(provider, l.name)}
	if provider == "sdk" {
		l.apiKey = s.cell.Sim.IssueAPIKey(provider, l.name)
	} else {
		s.cell.Sim.SetPassword(provider, l.name, l.password)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[l.Link.Link] = l
	return l
}

// login makes such a user's link.
func (s *sessions) login(provider string) *login {
	s.t.Helper()
	l := s.newLogin(provider)
	s.ok(worker.Importer(s.cell.Config, s.cell.Bus, s.cell.Store, s.cell.Keys, time.Now).Import(s.t.Context(), handlers.ImportLine{
		Address: l.Address, User: "anna-" + l.Link.Link, Nickname: "her account", Sub: l.name, APIKey: secret.New(l.apiKey),
		Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: l.ExpiresAt,
	}))
	return l
}

// giving changes what the owner answers for this login.
func (l *login) giving(by func(context.Context) (user, password string, err error)) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gives = by
	return l
}

// mistakes gives the owner another password than the provider has.
func (l *login) mistakes(password string) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.password = password
	return l
}

// questions is how often the owner was asked for this login.
func (l *login) questions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// revoked ends the login's grants at the provider.
func (l *login) revoked() *login {
	l.cell.Sim.RevokeAtSite(l.Address.Provider, l.name)
	return l
}

// meets scripts faults for the login's next requests: to the one with the refresh
// token nothing happens.
func (l *login) meets(f ...providertest.Fault) *login {
	l.cell.Sim.Script(l.Address.Provider, append([]providertest.Fault{{}}, f...)...)
	return l
}

// fails reports the bearer of a generation.
func (l *login) fails(generation uint64) *login {
	l.t.Helper()
	m, err := l.cell.Report(events.TokenExpired{Address: l.Address, Generation: generation, Reason: events.ReasonUnauthorized})
	l.ok(err)
	delete(m.Header, events.HeaderMsgID) // the broker would drop what is reported again
	l.ok(l.cell.Bus.PublishInput(l.t.Context(), m))
	return l
}

// becomes waits until the link has the state and the generation, and all that it
// had to say is stored.
func (l *login) becomes(want links.Status, generation uint64) *login {
	l.t.Helper()
	testenv.Eventually(l.t, limit, fmt.Sprintf("the link is %s at generation %d", want, generation), func() bool {
		is, err := l.cell.Link(l.t.Context(), l.Address)
		if err != nil || is.Status != want || is.Generation != generation {
			return false
		}
		last, err := l.cell.Bus.LastOutput(l.t.Context(), l.Address)
		return err == nil && last == is.EventNumber
	})
	return l
}

// recovers waits for the next generation. An owner that was too slow is asked again
// only for another report: the machine's fault, and not what is tested.
func (l *login) recovers(generation uint64) *login {
	l.t.Helper()
	testenv.Eventually(l.t, limit, fmt.Sprintf("the link has generation %d", generation), func() bool {
		is, err := l.cell.Link(l.t.Context(), l.Address)
		l.ok(err)
		if is.Awaiting != nil && is.Status == links.ConsentRequired && time.Since(is.Awaiting.AskedAt) > l.cell.Config.LockTTL {
			l.fails(is.Generation)
		}
		return is.Generation == generation
	})
	return l.becomes(links.Active, generation)
}

// logsOut ends the link.
func (l *login) logsOut() {
	l.t.Helper()
	e, err := events.NewInput("//canary/app", ulid.Make().String(), time.Now(), events.Trace{}, events.LogoutRequested{Address: l.Address, Scope: events.LogoutLink})
	l.ok(err)
	m, err := l.cell.Bus.Names().Subjects().InputMessage(e)
	l.ok(err)
	l.ok(l.cell.Bus.PublishInput(l.t.Context(), m))
	testenv.Eventually(l.t, limit, "the link is revoked", func() bool {
		is, err := l.cell.Link(l.t.Context(), l.Address)
		return err == nil && is.Status == links.Revoked
	})
}

// process starts a worker that tells all that it does.
func (s *sessions) process(env ...string) *testenv.Process {
	s.t.Helper()
	return testenv.Start(s.t, testenv.Command{
		Path: testenv.Build(s.t, "./cmd/worker", "failpoint"), Args: []string{"run", "--config", s.config, "--http-addr", "127.0.0.1:0"},
		Env: append([]string{"REGRANT_LOG_LEVEL=debug", "TMPDIR=" + s.tmp}, env...), Ready: "worker ready",
	})
}

var serving = regexp.MustCompile(`http=(127\.0\.0\.1:\d+)`)

// retires ends a worker as an operator does, and keeps what it counted and said.
func (s *sessions) retires(p *testenv.Process) {
	s.t.Helper()
	at := serving.FindStringSubmatch(p.Output())
	if at == nil {
		s.t.Fatal("the worker does not say where it serves its metrics")
	}
	_, _ = s.scraped.Write(s.scrapeAt(at[1]))
	p.Signal(syscall.SIGTERM)
	s.ended(p)
}

// ended waits for a worker's end, and keeps what it said and left.
func (s *sessions) ended(p *testenv.Process) {
	s.t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(limit):
		s.t.Fatal("the worker did not end")
	}
	_, _ = s.said.Write([]byte(p.Output()))
	s.keepSpool()
}

// everywhere is all that is written anywhere and all that was said, by place. The
// provider's own ledger is left out: it knows its users.
func (s *sessions) everywhere() map[string][]byte {
	s.t.Helper()
	s.hearOut()
	all := s.places()
	maps.Copy(all, map[string][]byte{
		"wire": s.wire.bytes(), "opened": s.opened.bytes(), "processes": s.said.bytes(), "metrics": s.scraped.bytes(), "temporary files": nil,
	})
	for _, text := range files(s.t, s.tmp) {
		all["temporary files"] = append(all["temporary files"], text...)
	}
	for name, text := range files(s.t, s.cell.Config.Dir) {
		if name != "ledger" {
			all["dir/"+name] = text
		}
	}
	return all
}

// remains writes a file where the processes have their temporary ones.
func (s *sessions) remains(text string) {
	s.ok(os.WriteFile(filepath.Join(s.tmp, "remains"), []byte(text), 0o600))
}
