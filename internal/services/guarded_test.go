package services_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/secret"
)

// guarded is a cell with the links A and B at a server as docs/nats.conf sets it up.
// Its admin has provisioned it, its operator imported the links, and its worker runs,
// each under their own permissions.
type guarded struct {
	*fleet.Cell
	server string
	worker *worker.Worker
	links  map[string]fleet.Link
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	conf, err := filepath.Abs("../../docs/nats.conf")
	must(t, err)
	g := &guarded{server: testenv.RealNATS(t, t.TempDir(), 0, "-c", conf).URL, links: map[string]fleet.Link{}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := providers.Builtin("generic")
	must(t, err)
	p.Rotation, p.MinInterval = providers.RotationAlways, 0
	g.provision(t)
	g.Cell, err = fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: g.as(t, "operator"), RedisURL: testenv.Redis(t), LockTTL: lockTTL, Log: permitted(t),
		Providers: map[string]fleet.Provider{"op": {Profile: p}},
	})
	must(t, err)
	t.Cleanup(func() { ends(t, g.Close) })
	g.Config.NATS.URL = g.as(t, "worker")
	g.worker, err = g.Start(t.Context(), "w", nil)
	must(t, err)
	t.Cleanup(func() { ends(t, g.worker.Stop) })
	g.imports(t, "A", "B")
	return g
}

// lockTTL is half a minute's tenth: tests with it are quick, and not too quick for a
// machine that is busy.
const lockTTL = 2 * time.Second

// provision is done by the admin alone; that the operator's connection finds nothing to
// create is why it needs no right to.
func (g *guarded) provision(t *testing.T) {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: g.as(t, "admin"), Role: "admin", Log: permitted(t)})
	must(t, err)
	defer ends(t, b.Close)
	_, err = b.Provision(t.Context(), bus.Plan{Providers: []string{"op"}, Budget: budget.Of(lockTTL)})
	must(t, err)
}

// granted are the users of docs/nats.conf.
func granted(t *testing.T) []permissions.User {
	t.Helper()
	users, err := permissions.Users(permissions.Scope{Provider: "op", Links: []string{"A", "B"}, Subscription: "prompts"})
	must(t, err)
	return users
}

// serviceUsers are those that are services.
func serviceUsers(t *testing.T) []permissions.User {
	return slices.DeleteFunc(granted(t), func(u permissions.User) bool { return u.Account != permissions.Services })
}

func (g *guarded) imports(t *testing.T, ids ...string) {
	t.Helper()
	im := worker.Importer(g.Config, g.Bus, g.Store, g.Keys, time.Now)
	for _, id := range ids {
		l := fleet.Link{Address: events.Address{Tenant: "default", Provider: "op", Link: id}, Grant: g.Sim.Issue("op", "sub-"+id)}
		must(t, im.Import(t.Context(), handlers.ImportLine{
			Address: l.Address, User: "user", Sub: l.Sub, Access: secret.New(l.AccessToken), Refresh: secret.New(l.RefreshToken), ExpiresAt: l.ExpiresAt,
		}))
		g.links[id] = l
	}
}

// as is the server's address for a role.
func (g *guarded) as(t *testing.T, role string) string {
	t.Helper()
	u, err := url.Parse(g.server)
	must(t, err)
	u.User = url.UserPassword(role, role)
	return u.String()
}

// service is package client under a role's permissions.
func (g *guarded) service(t *testing.T, role string, wait time.Duration) *client.Client {
	t.Helper()
	return g.connect(t, client.Config{Role: role, Wait: wait})
}

// connect is package client as the role that cfg names.
func (g *guarded) connect(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cfg.URL, cfg.Name, cfg.JetStreamAPI, cfg.PerLink = g.as(t, cfg.Role), cfg.Role, "$JS.CELL.API", true
	c, err := client.New(ctx, cfg)
	must(t, err)
	t.Cleanup(func() { ends(t, c.Close) })
	return c
}

// kv is the bucket of records, as the operator has it.
func (g *guarded) kv(t *testing.T) jetstream.KeyValue {
	t.Helper()
	kv, err := g.Bus.JetStream().KeyValue(t.Context(), g.Bus.Names().Links())
	must(t, err)
	return kv
}

// records are the revisions of the links' records.
func (g *guarded) records(t *testing.T) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	for id := range g.links {
		record, err := g.kv(t).Get(t.Context(), "default.op."+id)
		must(t, err)
		all[id] = record.Revision()
	}
	return all
}

// wantNoSecret looks for what no role may ever see: refresh tokens and subjects.
func (g *guarded) wantNoSecret(t *testing.T, where string, data []byte) {
	t.Helper()
	for id, l := range g.links {
		for what, text := range map[string]string{"refresh token": l.RefreshToken, "subject": l.Sub} {
			if text == "" || bytes.Contains(data, []byte(text)) {
				t.Errorf("%s holds the %s of %s", where, what, id)
			}
		}
	}
}

// permitted is the log of a worker and an operator whom the server refuses nothing.
func permitted(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(refusals{t, testenv.LogWriter(t)}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type refusals struct {
	t   *testing.T
	log io.Writer
}

func (r refusals) Write(entry []byte) (int, error) {
	// Advice names violations too, where a machine that stood still may be the cause.
	if bytes.Contains(entry, []byte(nats.ErrPermissionViolation.Error())) {
		r.t.Errorf("the server refused what is needed: %s", entry)
	}
	return r.log.Write(entry)
}
