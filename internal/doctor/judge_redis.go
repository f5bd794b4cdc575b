package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// oldestRedis has all commands that locks and limits use, in the form that they use.
const oldestRedis = 6

// onlyCost ends what is said of locks: whoever reads it must not take it for more.
const onlyCost = " (cost, not correctness: nothing is refreshed twice)"

func judgeRedis(f redisFacts) []Finding {
	c := check{name: "redis"}
	switch {
	case f.Ours:
		return c.or("none is configured: each worker brings a lock server of its own")
	case f.Err != nil:
		c.find(Error, "", "not reached: "+f.Err.Error()+". Refreshing goes on under the intent alone; workers get in each other's way and keep to rates by guess", "start it, or correct redis.url")
		return c.all
	case f.ClusterURL && f.ClusterState != "" && f.ClusterState != "ok":
		c.find(Error, "", "the cluster's state is "+f.ClusterState+": some keys can be neither read nor written", "see `redis-cli --cluster check HOST:PORT`, and start the primaries that are missing")
	}
	memory, persistence := check{name: "redis-memory"}, check{name: "redis-persistence"}
	for _, n := range f.Nodes {
		if n.InfoErr != nil {
			c.find(Unknown, n.Addr, "role, persistence and memory policy cannot be read: "+n.InfoErr.Error(), "let the user run INFO: `ACL SETUSER NAME +info`")
			continue
		}
		judgeRole(&c, f, n)
		judgeMemory(&memory, n)
		judgePersistence(&persistence, n)
	}
	all := c.or(fmt.Sprintf("%d primaries answer", len(f.Nodes)))
	return slices.Concat(all, memory.or("nothing is evicted"), persistence.or("what is written survives a restart"), judgeCommands(f))
}

func judgeRole(c *check, f redisFacts, n redisNode) {
	version := n.Info["redis_version"]
	if major := 0; version != "" {
		if _, err := fmt.Sscanf(version, "%d.", &major); err == nil && major < oldestRedis {
			c.find(Error, n.Addr, "redis "+version+" is too old for the scripts of locks and limits", "upgrade it to 7.0 or later")
		}
	}
	if n.Info["role"] == "slave" {
		c.find(Unsafe, n.Addr, "is a replica, which takes no writes: no lock is ever taken, and the fleet keeps to no provider's rate", "write the primary's address into redis.url, or all hosts of the sentinel or cluster")
	}
	if n.Info["redis_mode"] == "cluster" && !f.ClusterURL {
		c.find(Error, n.Addr, "is a member of a cluster, and redis.url names one server: keys that lie elsewhere are refused", "write redis.url as redis://HOST1:6379,HOST2:6379, or add ?cluster=true")
	}
}

// judgeMemory looks at what is thrown away when memory is full. All our keys have a TTL,
// so the volatile policies are no better.
func judgeMemory(c *check, n redisNode) {
	const fix = "write `maxmemory-policy noeviction` into redis.conf, and run `redis-cli CONFIG SET maxmemory-policy noeviction`"
	policy, limit := n.Info["maxmemory_policy"], n.Info["maxmemory"]
	switch {
	case policy == "":
		c.find(Unknown, n.Addr, "the server does not say its maxmemory-policy", fix)
	case policy == "noeviction":
	case limit == "0" || limit == "":
		c.find(Warn, n.Addr, "maxmemory-policy is "+policy+": without maxmemory nothing is evicted yet; with it locks and rates would vanish", fix)
	default:
		c.find(Unsafe, n.Addr, "maxmemory-policy is "+policy+" with maxmemory "+limit+": locks, pauses and rates vanish under pressure, so a provider's limit may be exceeded"+onlyCost, fix)
	}
}

func judgePersistence(c *check, n redisNode) {
	const fix = "write `appendonly yes` and `appendfsync everysec` into redis.conf, and run `redis-cli CONFIG SET appendonly yes`"
	switch {
	case n.Info["aof_enabled"] == "":
		c.find(Unknown, n.Addr, "the server does not say whether it keeps an append-only file", fix)
	case n.Info["aof_enabled"] == "0":
		c.find(Warn, n.Addr, "appendonly is no: a restart forgets all locks, pauses and rates, so links in work are tried by several workers"+onlyCost, fix)
	case strings.HasPrefix(n.Info["aof_last_write_status"], "err"):
		c.find(Warn, n.Addr, "the last write of the append-only file failed: nothing of now survives a restart"+onlyCost, "free space on its disk; see its log")
	case n.FsyncErr != nil:
		c.find(Unknown, n.Addr, "appendfsync cannot be read: "+n.FsyncErr.Error(), "let the user read it: `ACL SETUSER NAME +config|get`")
	case n.Fsync == "no":
		c.find(Warn, n.Addr, "appendfsync is no: up to half a minute of locks and rates is lost with the power"+onlyCost, "write `appendfsync everysec` into redis.conf, and run `redis-cli CONFIG SET appendfsync everysec`")
	}
}

func judgeCommands(f redisFacts) []Finding {
	c := check{name: "redis-permissions"}
	if slices.ContainsFunc(f.Nodes, func(n redisNode) bool { return n.Info["role"] == "slave" }) {
		return nil // it refuses all writes, and that is said
	}
	for _, r := range f.Refused {
		c.find(Error, r.Command, "was refused: "+r.Err.Error()+": locks or rates do not work, and workers get in each other's way"+onlyCost,
			"allow it: `worker permissions --role worker` prints the ACL that a worker needs")
	}
	return c.or("every command that locks and rates use is allowed")
}
