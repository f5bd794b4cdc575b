package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
)

// leastPayload holds the largest record of a link with room: tokens of some kilobytes,
// a few answers that are kept, and an outbox.
const leastPayload = 256 << 10

// fullAt is from where on a limit is a finding.
const fullAt = 0.8

func judgeNATS(f natsFacts) []Finding {
	c := check{name: "nats"}
	if f.Err != nil {
		c.find(Error, "", f.Err.Error(), "start the server, or correct nats.url and nats.creds")
		return append(c.all, judgeSync(f)...)
	}
	if !bus.NewEnough(f.Version) {
		c.find(Error, f.Server, "nats-server "+f.Version+" is too old: there are no message schedules that a client can replace", "upgrade it to "+bus.OldestServer+" or later")
	}
	if f.MaxPayload < leastPayload {
		c.find(Unsafe, f.Server, fmt.Sprintf("max_payload is %d KB: a link's record with its tokens may be larger, and an answer that cannot be stored waits in the spool for ever", f.MaxPayload>>10),
			"write `max_payload: 1MB` into nats-server's configuration and reload it")
	}
	if f.AccountErr != nil {
		c.find(Error, "JetStream", "does not answer: "+f.AccountErr.Error(), accountFix(f.AccountErr))
		return append(c.all, judgeSync(f)...)
	}
	says := "nats-server " + f.Version + " with JetStream"
	if f.Account != nil {
		judgeRoom(&c, f.Account)
	} else {
		says += "; how full its account is, these credentials cannot see"
	}
	all := c.or(says)
	return slices.Concat(all, judgeSync(f), judgeStreams(f), judgeConsumers(f))
}

func accountFix(err error) string {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return "write `jetstream: enabled` into the account of nats-server's configuration (`jetstream {}` at the top enables it at all)"
	}
	return "allow these credentials to publish to $JS.API.INFO; `worker permissions --role worker` prints all that they need"
}

// judgeRoom looks at the limits of the account. -1 and 0 are none.
func judgeRoom(c *check, a *jetstream.AccountInfo) {
	if limit := a.Limits.MaxStore; limit > 0 && float64(a.Store) >= fullAt*float64(limit) {
		c.find(Unsafe, "JetStream", fmt.Sprintf("%d of %d MB of the account's file storage are used: once it is full, neither intents nor tokens can be written", a.Store>>20, limit>>20),
			"raise max_file of the account's jetstream limits in nats-server's configuration")
	}
	if limit := a.Limits.MaxConsumers; limit > 0 && float64(a.Consumers) >= fullAt*float64(limit) {
		c.find(Warn, "JetStream", fmt.Sprintf("%d of %d consumers of the account are used; a worker makes a few of its own", a.Consumers, limit), "raise max_consumers of the account's jetstream limits in nats-server's configuration")
	}
}

// judgeKept says where the cell's own streams would lose what was confirmed.
func judgeKept(f natsFacts) []Finding {
	return slices.DeleteFunc(judgeStreams(f), func(x Finding) bool { return x.Check != "nats-storage" || x.Status == OK })
}

func judgeStreams(f natsFacts) []Finding {
	c, storage := check{name: "nats-streams"}, check{name: "nats-storage"}
	for _, s := range f.Streams {
		switch {
		case bus.Missing(s.Err):
			c.find(Error, s.Want.Name, "is not there", "run `worker provision`")
		case s.Err != nil:
			c.find(Unknown, s.Want.Name, "cannot be looked at: "+s.Err.Error(), "allow these credentials to publish to $JS.API.STREAM.INFO."+s.Want.Name)
		default:
			k := kindOf(f.Names, s.Want.Name)
			for _, d := range s.Differences() {
				judgeSetting(&c, &storage, k, s, d)
			}
			judgeStrays(&c, &storage, k, s.Have)
			judgeCopies(&c, f, s.Have)
		}
	}
	return append(storage.or("every stream is in files, and loses nothing before its time"), c.or("streams and buckets are as provisioning would make them")...)
}

// kind is what a stream is for.
type kind string

func kindOf(n bus.Names, stream string) kind {
	if bucket, ok := strings.CutPrefix(stream, "KV_"); ok {
		return kind(strings.TrimPrefix(bucket, strings.TrimSuffix(n.Links(), "links")))
	}
	return kind(strings.ToLower(strings.TrimPrefix(stream, strings.TrimSuffix(n.In(), "IN"))))
}

// bucket says whether the kind is a bucket, which keeps the last of every key for ever.
func (k kind) bucket() bool { return k == "links" || k == "index" || k == "consents" || k == "apps" }

// lost says what is lost with the messages of a kind.
func (k kind) lost() string {
	return map[kind]string{
		"in": "reports that no worker has handled", "timer": "timers, so links are not renewed in time",
		"out": "events that subscribers have not had", "dead": "dead letters that nobody has looked at", "audit": "the proof of who did what",
		"links": "links with their tokens", "index": "who owns which login", "consents": "consent flows, so a spent code is forgotten", "apps": "which apps are suspended",
	}[k]
}

// again says how to have a stream made anew, for what cannot be changed in place.
func again(k kind, name string) string {
	if k == "links" {
		return "it cannot be changed in place: stop the workers, keep `nats stream backup " + name + " DIR` if it is in files, run `nats stream rm " + name + "` and `worker provision`, then import the links again"
	}
	return "it cannot be changed in place: stop the workers, run `nats stream rm " + name + "`, which discards " + k.lost() + ", then `worker provision`"
}

func judgeCopies(c *check, f natsFacts, have *jetstream.StreamInfo) {
	name := have.Config.Name
	if f.Cluster != "" && have.Config.Replicas < 3 {
		c.find(Warn, name, fmt.Sprintf("has %d of 3 copies, though there is a cluster: the loss of one disk is the loss of %s", have.Config.Replicas, kindOf(f.Names, name).lost()),
			"write `nats: { replicas: 3 }` into the configuration, then run `worker provision`")
	}
	if have.Cluster == nil {
		return
	}
	for _, peer := range have.Cluster.Replicas {
		if peer.Offline || !peer.Current {
			c.find(Warn, name, fmt.Sprintf("its copy on %s is behind by %d writes or away: the loss of one more server stops all writes", peer.Name, peer.Lag),
				"start "+peer.Name+", or see its log; `nats stream report` shows when it has caught up")
		}
	}
}
