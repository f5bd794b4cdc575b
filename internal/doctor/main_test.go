package doctor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/doctor"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goodNATS is how a cell's server should be. The account NARROW is for permissions,
// TIGHT for room.
const goodNATS = `
jetstream { sync_interval: always }
system_account: SYS
accounts {
  SYS { users: [ { user: sys, password: sys } ] }
  CELL {
    jetstream: enabled
    users: [
      { user: cell, password: cell }
      { user: narrow, password: narrow, permissions: {
        publish: { allow: ">", deny: ["$KV.narrow_apps.>", "$JS.ACK.>"] }
        subscribe: { allow: ">", deny: ["narrow.live.>"] }
      } }
    ]
  }
  TIGHT { jetstream: { max_file: 200KB, max_mem: 1MB }, users: [ { user: tight, password: tight } ] }
  NONE { users: [ { user: none, password: none } ] }
}
`

// plainNATS is one that somebody just started, with payloads that somebody bounded.
const plainNATS = `
max_payload: 65536
`

// stack is what a cell stands on: real servers.
type stack struct {
	t                   *testing.T
	nats, monitor       string
	plain, plainMonitor string
	redis               string
	admin               *redis.Client
	cells               int
}

func newStack(t *testing.T) *stack {
	s := &stack{t: t}
	s.nats, s.monitor = startNATS(t, goodNATS)
	s.plain, s.plainMonitor = startNATS(t, plainNATS)
	s.redis = testenv.RealRedis(t, "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction").URL + "/0"
	o, err := redis.ParseURL(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	s.admin = redis.NewClient(o)
	t.Cleanup(func() { _ = s.admin.Close() })
	return s
}

var monitorPort = regexp.MustCompile(`http monitor on (127\.0\.0\.1:\d+)`)

func startNATS(t *testing.T, conf string) (url, monitor string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	write(t, file, conf, 0o600)
	p := testenv.RealNATS(t, dir, 0, "-c", file, "-m", "-1")
	at := monitorPort.FindStringSubmatch(p.Output())
	if at == nil {
		t.Fatalf("no monitoring port in: %s", p.Output())
	}
	return p.URL, "http://" + at[1]
}

// as is a server's URL with a login.
func as(user, url string) string {
	return strings.Replace(url, "://", "://"+user+":"+user+"@", 1)
}

// cell is a provisioned cell with keys, as the doctor should find it.
func (s *stack) cell(t *testing.T) doctor.Options {
	t.Helper()
	s.cells++
	return s.cellAt(t, as("cell", s.nats), s.monitor, fmt.Sprintf("cell%d", s.cells))
}

func (s *stack) cellAt(t *testing.T, url, monitor, prefix string) doctor.Options {
	t.Helper()
	o := s.unprovisioned(t, url, monitor, prefix)
	if _, err := connect(t, o).Provision(t.Context(), worker.Plan(o.Config)); err != nil {
		t.Fatal(err)
	}
	return o
}

func (s *stack) unprovisioned(t *testing.T, url, monitor, prefix string) doctor.Options {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "op.secret"), "a secret", 0o600)
	p, err := providers.Builtin("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.TokenURL, p.ClientID, p.ClientSecretFile, p.AuthStyle = "https://op.example.com/token", "c", "op.secret", providers.AuthBasic
	p.IDTokenAlgs = nil
	c := config.Config{
		NATS: config.NATS{URL: url, Prefix: prefix}, Redis: config.Redis{URL: s.redis}, Dir: dir, DataDir: filepath.Join(dir, "data"),
		Providers: map[string]providers.Profile{"op": p},
	}.Defaults()
	if err := os.Mkdir(c.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Generate()
	if err == nil {
		err = keys.Save(c.Keys.File)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Options{Config: c, Now: time.Now, Proof: doctor.Proof{Monitor: []string{monitor}}, Log: testenv.Log(t)}
}

func connect(t *testing.T, o doctor.Options) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: o.Config.NATS.URL, Prefix: o.Config.NATS.Prefix, Role: "operator", Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

func importLinks(t *testing.T, o doctor.Options, n int) {
	t.Helper()
	b := connect(t, o)
	store, err := worker.Store(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Load(o.Config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	im := worker.Importer(o.Config, b, store, keys, time.Now)
	for i := range n {
		err := im.Import(t.Context(), handlers.ImportLine{
			Address: events.Address{Tenant: "default", Provider: "op", Link: fmt.Sprintf("L%d", i)}, User: "u", Sub: fmt.Sprint("s", i),
			Access: secret.New("a"), Refresh: secret.New("r"), ExpiresAt: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// bad are the findings that an operator has to look at.
func bad(r doctor.Report) []doctor.Finding {
	return r.Bad(doctor.Warn, doctor.Unknown, doctor.Error, doctor.Unsafe)
}
