package permissions

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/locks"
)

// lockCommands are those of the locks and the limits. What a script calls needs a grant
// of its own.
var lockCommands = []string{
	"eval", "evalsha", "get", "getrange", "set", "del", "pexpire", "pttl", "time", // locks, rates and pauses
	"zadd", "zrem", "zcard", "zscore", "zremrangebyscore", "hincrby", "hgetall", "hdel", // who works, and what is counted
}

// clientCommands are the client's own: a database other than 0, a cluster, one that moves
// keys.
var clientCommands = []string{"ping", "select", "cluster|slots", "command", "asking"}

// LockCommands lists the commands that locks and limits use, in lower case: what a worker
// cannot do without.
func LockCommands() []string { return slices.Clone(lockCommands) }

// operatorCommands tell how a server is set up, for `worker doctor`. No key is read.
var operatorCommands = []string{"ping", "time", "role", "info", "config|get", "cluster|info", "acl|whoami"}

func workerRedis(prefix string) string {
	return redisRule(append([]string{locks.KeyPattern(prefix)}, limits.KeyPatterns(prefix)...), slices.Concat(lockCommands, clientCommands))
}

func operatorRedis() string { return redisRule(nil, operatorCommands) }

// redisRule begins with nothing: no key, no channel, no command.
func redisRule(keys, commands []string) string {
	words := []string{"resetkeys"}
	for _, k := range keys {
		words = append(words, "~"+k)
	}
	words = append(words, "resetchannels", "-@all")
	for _, c := range commands {
		words = append(words, "+"+c)
	}
	return strings.Join(words, " ")
}

// RedisUser is the name of a user's ACL.
func (s Scope) RedisUser(u User) string {
	return strings.ReplaceAll(cmp.Or(s.Prefix, events.DefaultPrefix), ".", "-") + "-" + u.Name
}

// passwordHash stands for what nobody can print here. Redis refuses the line until
// it is replaced.
const passwordHash = "#SHA256-OF-THE-PASSWORD"

// WriteRedis writes the ACL of each user that has one, as a command for redis-cli.
func WriteRedis(w io.Writer, s Scope, users []User) error {
	for _, u := range users {
		if u.Redis == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "ACL SETUSER %s reset on %s %s\n", s.RedisUser(u), passwordHash, u.Redis); err != nil {
			return err
		}
	}
	return nil
}
