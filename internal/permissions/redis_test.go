package permissions_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/locks"
)

// redisUsers have an ACL; all other roles need no Redis.
var redisUsers = []string{"operator", "worker"}

// redisRow is a command, and the users who may give it.
type redisRow struct {
	what    string
	command string
	users   string
}

var redisTable = []redisRow{
	{"take a lock", "SET regrant:lock:default/op/A x NX PX 1000", "worker"},
	{"look who holds one", "GET regrant:lock:default/op/A", "worker"},
	{"give it back", "DEL regrant:lock:default/op/A", "worker"},
	{"read how long an app is paused", "PTTL regrant:pause:op", "worker"},
	{"count an app's answers", "HINCRBY regrant:answers:{op} 1 1", "worker"},
	{"take a worker out of the fleet", "ZREM regrant:workers w", "worker"},
	{"read another installation's key", "GET other:lock:default/op/A", ""},
	{"read a key of the cell that is none of ours", "GET regrant:other", ""},
	{"reach another key by a script", "EVAL return_redis.call('get','other') 1 other", ""},
	{"find all keys", "KEYS *", ""},
	{"walk all keys", "SCAN 0", ""},
	{"empty the database", "FLUSHALL", ""},
	{"forget all scripts", "SCRIPT FLUSH", ""},
	{"hear messages", "SUBSCRIBE regrant:lock:x", ""},
	{"send messages", "PUBLISH regrant:lock:x y", ""},
	{"change the settings", "CONFIG SET maxmemory-policy allkeys-lru", ""},
	{"read the settings", "CONFIG GET maxmemory-policy", "operator"},
	{"read the state", "INFO", "operator"},
	{"read the clock", "TIME", "operator worker"},
	{"see whether it is a replica", "ROLE", "operator"},
	{"make it a replica", "REPLICAOF 127.0.0.1 1", ""},
	{"change permissions", "ACL SETUSER x on nopass allkeys +@all", ""},
	{"read permissions", "ACL LIST", ""},
	{"watch all commands", "MONITOR", ""},
	{"stop the server", "SHUTDOWN", ""},
	{"change the cluster", "CLUSTER RESET", ""},
	{"find the cluster's members", "CLUSTER SLOTS", "worker"},
}

func redisRows() []row {
	rows := make([]row, len(redisTable))
	for i, r := range redisTable {
		rows[i] = row{what: r.what, subject: strings.ReplaceAll(r.command, "_", " "), users: r.users}
	}
	return rows
}

// TestWhoMayDoWhatAtRedis asks the server whether it would let each command through,
// which carries none out.
func TestWhoMayDoWhatAtRedis(t *testing.T) {
	t.Parallel()
	server := testenv.RealRedis(t)
	admin := guard(t, server.URL, example)
	for _, name := range redisUsers {
		for _, r := range redisTable {
			args := []any{"ACL", "DRYRUN", "regrant-" + name}
			for _, word := range strings.Fields(r.command) {
				args = append(args, strings.ReplaceAll(word, "_", " "))
			}
			got, err := admin.Do(t.Context(), args...).Text()
			must(t, err)
			if may := slices.Contains(strings.Fields(r.users), name); (got == "OK") != may {
				t.Errorf("%s says %s: %q, want %v", name, r.command, got, may)
			}
		}
	}
}

// TestAWorkerWorksAtRedis with its ACL alone: and each command that it is granted, it
// gives.
func TestAWorkerWorksAtRedis(t *testing.T) {
	t.Parallel()
	server := testenv.RealRedis(t)
	admin := guard(t, server.URL, example)
	must(t, admin.ConfigResetStat(t.Context()).Err())
	client := works(t, as(t, server.URL, "worker")+"/1")
	for command, cause := range map[string]error{
		"GET of another's key":    client.Get(t.Context(), "other").Err(),
		"KEYS":                    client.Keys(t.Context(), "*").Err(),
		"FLUSHALL":                client.FlushAll(t.Context()).Err(),
		"a script to another key": client.Eval(t.Context(), `return redis.call("get", KEYS[1])`, []string{"other"}).Err(),
		"a script to a key that it does not name": client.Eval(t.Context(), `return redis.call("get", "other")`, nil).Err(),
	} {
		if cause == nil || errors.Is(cause, redis.Nil) {
			t.Errorf("%s: let through", command)
		}
	}
	used, err := admin.Info(t.Context(), "commandstats").Result()
	must(t, err)
	for _, granted := range granted(t, "worker") {
		if cluster := []string{"cluster|slots", "command", "asking", "ping"}; slices.Contains(cluster, granted) {
			continue
		}
		if !strings.Contains(used, "cmdstat_"+granted+":") {
			t.Errorf("the grant of %s is not used", granted)
		}
	}
}

// TestAWorkerWorksAtACluster of one server.
func TestAWorkerWorksAtACluster(t *testing.T) {
	t.Parallel()
	server := testenv.RealRedis(t, "--cluster-enabled", "yes")
	admin := guard(t, server.URL, example)
	must(t, admin.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err())
	testenv.Eventually(t, time.Minute, "the cluster is up", func() bool {
		return strings.Contains(admin.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	works(t, as(t, server.URL, "worker")+"?cluster=true")
}

// works does all that a worker does at Redis.
func works(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	b := budget.Of(time.Minute)
	client, err := locks.Dial(url, b)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	l := locks.New(client, locks.Config{Worker: "w", Budget: b, Log: strict(t)})
	defer l.Close()
	lease, err := l.Acquire(t.Context(), "default/op/A")
	must(t, err)
	if _, err := l.Acquire(t.Context(), "default/op/A"); !errors.Is(err, locks.ErrHeld) {
		t.Errorf("a second lock: %v", err)
	}
	must(t, lease.Release(t.Context()))

	limiter := limits.New(client, limits.Config{Worker: "w", Budget: b, Log: strict(t)})
	defer limiter.Close()
	rate := limits.Rate{Count: 1, Per: time.Hour}
	for _, free := range []bool{true, false} {
		if wait, err := limiter.Take(t.Context(), "op", rate); err != nil || (wait == 0) != free {
			t.Errorf("a token of the app: wait %v, %v", wait, err)
		}
	}
	limiter.Pause(t.Context(), "other", time.Now().Add(time.Hour))
	must(t, client.HIncrBy(t.Context(), "regrant:answers:{op}", "1", 1).Err()) // an answer of 1970, to be forgotten
	tally := limits.NewTally(limiter)
	for range 2 {
		if dead, all := tally.Count(t.Context(), "op", "A", true); dead != 1 || all != 1 {
			t.Errorf("one dead link is counted as %d of %d", dead, all)
		}
	}
	tally.Count(t.Context(), "op", "A", false)
	return client
}

// strict is a log in which no warning may come: Redis away is one.
func strict(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(complaints{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type complaints struct{ t *testing.T }

func (c complaints) Write(entry []byte) (int, error) {
	c.t.Errorf("a warning: %s", entry)
	return len(entry), nil
}

// guard gives a server the ACLs as they are printed, and is its master still.
func guard(t *testing.T, url string, s permissions.Scope) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	must(t, err)
	admin := redis.NewClient(options)
	t.Cleanup(func() { _ = admin.Close() })
	users, err := permissions.Users(s)
	must(t, err)
	var text bytes.Buffer
	must(t, permissions.WriteRedis(&text, s, users))
	for line := range strings.Lines(text.String()) {
		if err := do(t, admin, line); err == nil {
			t.Errorf("taken with a password that nobody has chosen: %s", line)
		}
		user := strings.TrimPrefix(strings.Fields(line)[2], "regrant-")
		hash := sha256.Sum256([]byte(user))
		must(t, do(t, admin, strings.Replace(line, "SHA256-OF-THE-PASSWORD", hex.EncodeToString(hash[:]), 1)))
	}
	return admin
}

func do(t *testing.T, admin *redis.Client, line string) error {
	t.Helper()
	var args []any
	for _, word := range strings.Fields(line) {
		args = append(args, word)
	}
	return admin.Do(t.Context(), args...).Err()
}

func as(t *testing.T, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	u.User = url.UserPassword("regrant-"+name, name)
	return u.String()
}

// granted are the commands of a user's ACL.
func granted(t *testing.T, name permissions.Role) (commands []string) {
	t.Helper()
	users, err := permissions.For(example, name)
	must(t, err)
	for _, word := range strings.Fields(users[0].Redis) {
		if command, ok := strings.CutPrefix(word, "+"); ok {
			commands = append(commands, command)
		}
	}
	return commands
}
