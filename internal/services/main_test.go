package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/client"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// patience bounds every wait: for no machine to be too slow.
const patience = 90 * time.Second

// full says that the whole of each show is to be run.
func full() bool { return os.Getenv("REGRANT_SERVICES") == "full" }

// The environment of a service's process: which it is, and its orders as JSON.
const envRole, envOrders = "REGRANT_TEST_SERVICE", "REGRANT_TEST_ORDERS"

// services are what this binary is when it is started with a role.
var services = map[string]func(ctx context.Context, orders []byte) error{
	"caller":     calls,
	"subscriber": subscribes,
}

func TestMain(m *testing.M) {
	serve, child := services[os.Getenv(envRole)]
	if !child {
		passwords()
		goleak.VerifyTestMain(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := serve(ctx, []byte(os.Getenv(envOrders)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// passwords are given to servers that read docs/nats.conf: each user's is its name.
func passwords() {
	users, err := permissions.Users(permissions.Scope{Links: []string{"A", "B"}})
	if err != nil {
		panic(err)
	}
	for _, u := range users {
		if err := os.Setenv(u.PasswordVariable(), u.Name); err != nil {
			panic(err)
		}
	}
}

// What a service's process says to its test, each on a line of its own.
const (
	saysReady  = "service ready"
	saysHolds  = "service holds"
	saysResult = "service result "
)

// spawn starts a service as a process and returns when it is at work.
func spawn(t *testing.T, role string, orders any) *testenv.Process {
	t.Helper()
	body, err := json.Marshal(orders)
	must(t, err)
	return testenv.Start(t, testenv.Command{
		Path: os.Args[0], Env: []string{envRole + "=" + role, envOrders + "=" + string(body)}, Ready: saysReady,
	})
}

// retire ends a service and reads what it has to say, if it says anything.
func retire(t *testing.T, p *testenv.Process, result any) {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Fatalf("a service ended with %v", err)
	}
	for line := range strings.Lines(p.Output()) {
		if text, ok := strings.CutPrefix(line, saysResult); ok && result != nil {
			must(t, json.Unmarshal([]byte(text), result))
			return
		}
	}
	if result != nil {
		t.Fatal("a service ended without a result")
	}
}

// warnings is a log of what should not happen: two minutes of the rest fill a disk.
func warnings(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testenv.LogWriter(t), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// newCell is a cell with three workers, and links at a provider with one-time refresh
// tokens and reuse detection.
func newCell(t testing.TB, nats string, life time.Duration, links int) (*fleet.Cell, []fleet.Link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := providers.Builtin("generic")
	must(t, err)
	p.Rotation, p.MinInterval = providers.RotationAlways, 0
	p.RenewMargin = 2 * life // a report `expiring` is due at any time
	cell, err := fleet.New(ctx, fleet.Options{
		Dir: t.TempDir(), NATSURL: nats, RedisURL: testenv.Redis(t), LockTTL: 2 * time.Second, Log: warnings(t),
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{AccessTTL: life}, Profile: p}},
	})
	must(t, err)
	t.Cleanup(func() { ends(t, cell.Close) })
	for i := range 3 {
		w, err := cell.Start(t.Context(), fmt.Sprint("worker-", i), nil)
		must(t, err)
		t.Cleanup(func() { ends(t, w.Stop) })
	}
	made, err := cell.Import(ctx, "op", links)
	must(t, err)
	return cell, made
}

// connect is a service's connection, from its own process. It says on standard
// error what should not happen.
func connect(ctx context.Context, cfg client.Config) (*client.Client, error) {
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return client.New(ctx, cfg)
}

// leave closes a connection whose context has ended.
func leave(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Close(ctx)
}

func ends(t testing.TB, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
