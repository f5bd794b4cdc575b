package clitest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
)

// scriptLimit bounds what a script waits for. No healthy script comes near it.
const scriptLimit = time.Minute

// servers are what all scripts of one test share.
type servers struct{ nats, redis string }

// Run runs the scripts of a directory. The test's binary must have called
// testscript.Main with the commands.
func Run(t *testing.T, dir string) {
	s := servers{nats: testenv.NATS(t), redis: testenv.Redis(t)}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Setup:               s.setup,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cell": s.cell, "work": work, "dump": dump, "expand": expand, "exits": exits, "mode": mode, "await": await,
			"respond": respond, "react": react, "empty": empty, "lose": lose, "grows": grows,
		},
	})
}

// state is what the commands of one script share.
type state struct {
	cell *fleet.Cell
}

type stateKey struct{}

func of(ts *testscript.TestScript) *state { return ts.Value(stateKey{}).(*state) }

func (s servers) setup(env *testscript.Env) error {
	env.Values[stateKey{}] = &state{}
	prefix := prefixOf(env.WorkDir)
	env.Setenv("NATS", s.nats)
	env.Setenv("REDIS", s.redis)
	env.Setenv("TAKEN", strings.TrimPrefix(s.nats, "nats://")) // an address in use
	env.Setenv("PREFIX", prefix)
	env.Setenv("STREAMS", strings.ToUpper(prefix))
	env.Setenv("HOME", env.WorkDir)
	if err := os.WriteFile(filepath.Join(env.WorkDir, "op.secret"), []byte("a secret that no script prints"), 0o600); err != nil {
		return err
	}
	return write(env.WorkDir, file{nats: s.nats, redis: s.redis, prefix: prefix, issuer: "https://op.example.com", token: "https://op.example.com/token", client: "c", auth: "basic"})
}

// prefixOf makes a script's name, which testscript puts into its directory's, a prefix.
func prefixOf(dir string) string {
	name := strings.TrimPrefix(filepath.Base(dir), "script-")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

// file is what differs between the configurations of scripts.
type file struct{ nats, redis, prefix, issuer, token, client, auth string }

func write(dir string, f file) error {
	text := fmt.Sprintf(`nats: { url: %q, prefix: %q }
redis: { url: %q }
keys: { file: "keys.json" }
data_dir: "data"
lock_ttl: 2s
providers:
  op:
    issuer: %q
    token_url: %q
    client_id: %q
    client_secret_file: "op.secret"
    auth_style: %s
    rotation: always
    allow_loopback: true
    id_token_algs: []
    min_interval: 0s
`, f.nats, f.prefix, f.redis, f.issuer, f.token, f.client, f.auth)
	return os.WriteFile(filepath.Join(dir, "regrant.yaml"), []byte(text), 0o600)
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), scriptLimit)
}
