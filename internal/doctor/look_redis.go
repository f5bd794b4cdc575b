package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/internal/permissions"
	"github.com/regrant/regrant/locks"
)

// redisFacts are about the lock server.
type redisFacts struct {
	// Ours: none is configured, each worker brings its own.
	Ours bool
	// Err is why it was not reached.
	Err error
	// Nodes are the server, or all primaries of a cluster.
	Nodes []redisNode
	// ClusterURL says that the client was told of a cluster; its state is then known.
	ClusterURL   bool
	ClusterState string
	// Refused are the commands, of those a worker uses, that failed, with the answer.
	Refused []refusedCommand
	Clock   clockFacts
}

// redisNode is what one server says of itself.
type redisNode struct {
	Addr string
	// Info is what INFO says, by field; InfoErr why it says nothing.
	Info    map[string]string
	InfoErr error
	// Fsync is the setting appendfsync; FsyncErr why it is not known.
	Fsync    string
	FsyncErr error
}

// refusedCommand is a command and what the server said to it.
type refusedCommand struct {
	Command string
	Err     error
}

func lookRedis(ctx context.Context, o Options) (f redisFacts) {
	if o.Config.Redis.URL == "" {
		return redisFacts{Ours: true}
	}
	ctx, cancel := context.WithTimeout(ctx, max(o.Patience, defaultPatience))
	defer cancel()
	client, err := locks.Dial(o.Config.Redis.URL, o.Config.Budget())
	if err != nil {
		return redisFacts{Err: err}
	}
	defer func() { _ = client.Close() }()
	if f.Err = client.Ping(ctx).Err(); f.Err != nil && !answered(f.Err) {
		return f
	}
	f.Err = nil // it may refuse PING, and is there
	f.lookAtNodes(ctx, client)
	f.Refused = tryCommands(ctx, client, o.Config.NATS.Prefix)
	f.Clock = lookClock(o.Now, func() (time.Time, error) { return client.Time(ctx).Result() })
	return f
}

// answered tells an answer of Redis, if only a refusal, from the want of one.
func answered(err error) bool {
	var said redis.Error
	return errors.As(err, &said)
}

func (f *redisFacts) lookAtNodes(ctx context.Context, client redis.UniversalClient) {
	cluster, many := client.(*redis.ClusterClient)
	if !many {
		f.Nodes = []redisNode{lookAtNode(ctx, client, "")}
		return
	}
	f.ClusterURL = true
	if state, err := cluster.ClusterInfo(ctx).Result(); err == nil {
		f.ClusterState = fieldsOf(state)["cluster_state"]
	}
	var mu sync.Mutex // the client asks them side by side
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		n := lookAtNode(ctx, node, node.Options().Addr)
		mu.Lock()
		defer mu.Unlock()
		f.Nodes = append(f.Nodes, n)
		return nil
	})
	if err != nil {
		f.Err = err
	}
}

func lookAtNode(ctx context.Context, client redis.UniversalClient, addr string) redisNode {
	n := redisNode{Addr: addr}
	text, err := client.Info(ctx).Result()
	n.Info, n.InfoErr = fieldsOf(text), err
	set, err := client.ConfigGet(ctx, "appendfsync").Result()
	n.Fsync, n.FsyncErr = set["appendfsync"], err
	return n
}

// fieldsOf reads the lines "name:value" that Redis answers in.
func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// probeTTL ends the doctor's own keys should it be stopped in between.
const probeTTL = 10 * time.Second

// tryCommands carries out each command that a worker is granted for its locks and
// limits, on keys of the doctor's own that lie where the worker's do.
func tryCommands(ctx context.Context, client redis.UniversalClient, prefix string) (refused []refusedCommand) {
	k := ownKeys(prefix)
	given := k.commands()
	for _, command := range permissions.LockCommands() {
		for _, args := range given[command] {
			if err := client.Do(ctx, args...).Err(); err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
				refused = append(refused, refusedCommand{strings.ToUpper(command), err})
				break
			}
		}
	}
	for _, key := range []string{k.lock, k.rate, k.dead, k.answers} { // a cluster has them apart
		_ = client.Del(ctx, key).Err() // where it may not, they end by themselves
	}
	return refused
}

// probeKeys are the doctor's own, one of each kind that is written.
type probeKeys struct{ prefix, lock, rate, pause, dead, answers string }

func ownKeys(prefix string) probeKeys {
	own := ":doctor-{" + rand.Text() + "}"
	return probeKeys{prefix, prefix + ":lock" + own, prefix + ":rate" + own, prefix + ":pause" + own, prefix + ":dead" + own, prefix + ":answers" + own}
}

// commands are how each command is tried. A script that the server does not know is sent
// whole by whoever uses it; what matters is that it may be asked for.
func (k probeKeys) commands() map[string][][]any {
	ttl := strconv.FormatInt(probeTTL.Milliseconds(), 10)
	set, ends := func(key string) []any { return []any{"SET", key, "doctor", "NX", "PX", ttl} }, func(key string) []any { return []any{"PEXPIRE", key, ttl} }
	return map[string][][]any{
		"eval":             {{"EVAL", "return redis.call('GET', KEYS[1])", 1, k.lock}},
		"evalsha":          {{"EVALSHA", strings.Repeat("0", 40), 1, k.lock}},
		"set":              {set(k.lock), set(k.rate)},
		"get":              {{"GET", k.lock}, {"GET", k.rate}},
		"getrange":         {{"GETRANGE", k.lock, 0, 0}},
		"del":              {{"DEL", k.lock}},
		"pexpire":          {ends(k.lock)},
		"pttl":             {{"PTTL", k.lock}, {"PTTL", k.pause}, {"PTTL", k.prefix + ":settling"}},
		"time":             {{"TIME"}},
		"zadd":             {{"ZADD", k.dead, 1, "x"}, ends(k.dead)},
		"zscore":           {{"ZSCORE", k.dead, "x"}},
		"zcard":            {{"ZCARD", k.dead}, {"ZCARD", k.prefix + ":workers"}},
		"zremrangebyscore": {{"ZREMRANGEBYSCORE", k.dead, "-inf", 0}},
		"zrem":             {{"ZREM", k.dead, "x"}},
		"hincrby":          {{"HINCRBY", k.answers, "1", 1}, ends(k.answers)},
		"hgetall":          {{"HGETALL", k.answers}},
		"hdel":             {{"HDEL", k.answers, "1"}},
	}
}
