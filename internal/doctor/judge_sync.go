package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regrant/regrant/bus"
)

// howToProve is the sentence for whoever could not ask the servers.
const howToProve = "give --nats-monitor http://HOST:8222 for each nats-server (its configuration needs `http: \"127.0.0.1:8222\"`), or --nats-sys-creds with credentials of the system account"

// judgeSync says whether what NATS confirmed survives the loss of power. The first
// intent and the commit of a token rest on it.
func judgeSync(n natsFacts) []Finding {
	c := check{name: "nats-durability"}
	f := n.Sync
	switch {
	case n.Err != nil:
		c.find(Unknown, "", "NATS was not reached", "start it, or correct nats.url, then run the doctor again")
		return c.all
	case f.Ours:
		return c.or("the embedded server flushes every write before it is confirmed")
	case !f.Asked:
		c.find(Unknown, "", "whether a confirmed write is on disk, the cell's own account cannot see", howToProve)
		return c.all
	}
	if f.Err != nil {
		c.find(Unknown, "", "not every server could be asked: "+f.Err.Error(), howToProve)
	}
	for _, name := range f.Expected {
		if !seen(f.Servers, []string{name}) {
			c.find(Unknown, name, "holds streams of the cell, and nobody asked it when it flushes", howToProve)
		}
	}
	var names []string
	for _, s := range f.Servers {
		judgeServer(&c, n, s)
		names = append(names, s.Name)
	}
	return c.or(strings.Join(names, ", ") + " flush every write before it is confirmed")
}

func judgeServer(c *check, n natsFacts, s serverFacts) {
	holds := slices.Contains(n.Sync.Expected, s.Name)
	switch {
	case !s.JetStream && holds:
		c.find(Unknown, s.Name, "holds streams of the cell, and says nothing of JetStream: this is another server of that name, or it is restarting", howToProve)
	case s.JetStream && !s.SyncAlways:
		c.find(Unsafe, s.Name, fmt.Sprintf("flushes every %v and confirms before that: %s. A refresh token that was spent may then be presented again, and a new one be lost", s.SyncInterval, lostWith(n)),
			"write `jetstream { sync_interval: always }` into its configuration and restart it")
	}
	if !bus.NewEnough(s.Version) {
		c.find(Error, s.Name, "runs nats-server "+s.Version+", which is too old for message schedules", "upgrade it to "+bus.OldestServer+" or later")
	}
}

// lostWith says what the present number of copies proves.
func lostWith(n natsFacts) string {
	if r := replicas(n); r > 1 {
		return fmt.Sprintf("what is confirmed is in the memory of a majority of %d servers, which the loss of one survives, and the loss of power of all does not", r)
	}
	return "what was confirmed since is lost with the power"
}

// replicas is the number of copies of the links.
func replicas(n natsFacts) int {
	for _, s := range n.Streams {
		if s.Have != nil && s.Want.Name == "KV_"+n.Names.Links() {
			return s.Have.Config.Replicas
		}
	}
	return 1
}
