package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit bounds waits. No machine is too slow for it, and nothing waits for it when well.
const limit = time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newCell makes a cell at a provider with one-time refresh tokens and an API.
func newCell(t *testing.T) *fleet.Cell {
	t.Helper()
	p, err := providers.Builtin("generic")
	must(t, err)
	p.Rotation, p.MinInterval = providers.RotationAlways, 0
	c, err := fleet.New(t.Context(), fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), Log: testenv.Log(t),
		Providers: map[string]fleet.Provider{"op": {Behaviour: providertest.Behaviour{AccessTTL: time.Hour}, Profile: p}},
	})
	must(t, err)
	t.Cleanup(func() { end(t, c.Close) })
	return c
}

func end(t *testing.T, stop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := stop(ctx); err != nil {
		t.Error(err)
	}
}

// node is an example in Node: where it is, and the program that runs it. Without one
// that is installed the test is skipped, or fails under REGRANT_TEST_NODE=required.
type node struct {
	*testing.T
	program string
	env     []string
}

const nodeDir = "node-service"

func newNode(t *testing.T, natsURL string) node {
	t.Helper()
	program, err := exec.LookPath("node")
	missing := "there is no node on the PATH: install Node.js 18 or later"
	if err == nil {
		_, err = os.Stat(filepath.Join(nodeDir, "node_modules", "cloudevents"))
		missing = "the example's packages are missing: run `npm ci` in examples/" + nodeDir
	}
	switch {
	case err == nil:
	case os.Getenv("REGRANT_TEST_NODE") == "required":
		t.Fatal("REGRANT_TEST_NODE=required, but " + missing)
	default:
		t.Skip(missing)
	}
	return node{T: t, program: program, env: []string{"NATS_URL=" + natsURL}}
}

// run runs a script to its end and returns what it printed.
func (n node) run(stdin string, args ...string) string {
	n.Helper()
	ctx, cancel := context.WithTimeout(n.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = nodeDir, append(os.Environ(), n.env...), strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		n.Errorf("node %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// subscriber starts the subscriber, which is there when this returns.
func (n node) subscriber(args ...string) *testenv.Process {
	n.Helper()
	return testenv.Start(n.T, testenv.Command{
		Path: n.program, Args: append([]string{"subscriber.mjs"}, args...), Dir: nodeDir, Env: n.env, Ready: "subscribed",
	})
}

// wire keeps all messages that pass the server, those included that a stream drops
// as repetitions.
type wire struct {
	mu  sync.Mutex
	all []*nats.Msg
}

func tap(t *testing.T, c *fleet.Cell) *wire {
	t.Helper()
	w := &wire{}
	for _, kind := range []string{"in", "out", "live"} {
		sub, err := c.Bus.Conn().Subscribe("regrant."+kind+".>", w.keep)
		must(t, err)
		t.Cleanup(func() { _ = sub.Unsubscribe() }) // the connection may have ended before
	}
	must(t, c.Bus.Conn().Flush())
	return w
}

func (w *wire) keep(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, m)
}

// seen are the messages below a subject so far.
func (w *wire) seen(prefix string) []*nats.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []*nats.Msg
	for _, m := range w.all {
		if strings.HasPrefix(m.Subject, prefix) {
			found = append(found, m)
		}
	}
	return found
}
