package doctor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/doctor"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/spool"
)

// seed is one misconfiguration, and the findings that it must lead to: these, and no
// others.
type seed struct {
	name string
	// wrong makes it so. It gets a cell of its own that is as it should be.
	wrong func(t *testing.T, s *stack, o *doctor.Options)
	want  []symptom
}

// symptom is what a finding must say. Parts of sentences are enough.
type symptom struct {
	check, subject string
	status         doctor.Status
	says, fix      string
}

// The doctor finds each of these, each with the sentence that mends it, on real servers.
func TestEachMisconfigurationIsFoundWithItsCure(t *testing.T) {
	s := newStack(t)
	seeds := append(append(natsSeeds(), redisSeeds()...), hostSeeds()...)
	if len(seeds) < 15 {
		t.Fatalf("%d seeds", len(seeds))
	}
	for _, x := range seeds {
		t.Run(x.name, func(t *testing.T) {
			o := s.cell(t)
			x.wrong(t, s, &o)
			found := bad(doctor.Examine(t.Context(), o))
			for _, w := range x.want {
				if !has(found, w) {
					t.Errorf("not found: %+v", w)
				}
			}
			if len(found) != len(x.want) || t.Failed() {
				for _, f := range found {
					t.Errorf("%s %s %s: %s\n\tto mend it: %s", f.Status, f.Check, f.Subject, f.Says, f.Fix)
				}
			}
		})
	}
}

func has(found []doctor.Finding, w symptom) bool {
	for _, f := range found {
		if f.Check == w.check && f.Status == w.status && strings.HasSuffix(f.Subject, w.subject) && strings.Contains(f.Says, w.says) && strings.Contains(f.Fix, w.fix) && f.Fix != "" {
			return true
		}
	}
	return false
}

// Nothing is found where nothing is wrong, by any way of asking.
func TestNothingIsFoundOnAGoodStack(t *testing.T) {
	s := newStack(t)
	o := s.cell(t)
	importLinks(t, o, 40)
	b := connect(t, o)
	before := sequences(t, b)
	for name, proof := range map[string]doctor.Proof{
		"monitoring": {Monitor: []string{s.monitor}}, "system account": {SysURL: as("sys", s.nats)}, "ours": {Embedded: true},
	} {
		o.Proof = proof
		r := doctor.Examine(t.Context(), o)
		if found := bad(r); len(found) != 0 || r.Status != doctor.OK {
			t.Errorf("%s: %+v", name, found)
		}
		if why := doctor.Durable(t.Context(), o); len(why) != 0 {
			t.Errorf("%s: not durable: %+v", name, why)
		}
		if opened := says(r, "keys"); name == "ours" && !strings.Contains(opened, "opened 20 ") {
			t.Errorf("keys: %s", opened) // some twenty links
		}
	}
	if after := sequences(t, b); after != before {
		t.Errorf("the doctor wrote or made something:\n%s\n%s", before, after)
	}
	if left := s.admin.Keys(t.Context(), "*doctor*").Val(); len(left) != 0 {
		t.Errorf("left on Redis: %v", left)
	}
}

func says(r doctor.Report, check string) string {
	for _, f := range r.Findings {
		if f.Check == check {
			return f.Says
		}
	}
	return ""
}

// sequences are how far each stream is, and its number of consumers.
func sequences(t *testing.T, b *bus.Bus) string {
	t.Helper()
	streams, _ := b.Inspect(t.Context(), bus.Plan{Prefix: b.Names().Prefix, Providers: []string{"op"}})
	var out strings.Builder
	for _, s := range streams {
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		fmt.Fprintln(&out, s.Want.Name, s.Have.State.LastSeq, s.Have.State.Msgs, s.Have.State.Consumers)
	}
	return out.String()
}

// What cannot be asked is unknown, and no proof.
func TestDurabilityIsUnknownWhereNobodyCanAsk(t *testing.T) {
	s := newStack(t)
	o := s.cell(t)
	for name, tt := range map[string]struct {
		proof doctor.Proof
		says  string
	}{
		"no way to ask":       {doctor.Proof{}, "cannot see"},
		"nobody there":        {doctor.Proof{Monitor: []string{"http://127.0.0.1:1"}}, "not every server could be asked"},
		"another server":      {doctor.Proof{Monitor: []string{s.plainMonitor}}, "nobody asked it"},
		"not the monitoring":  {doctor.Proof{Monitor: []string{strings.Replace(s.redis, "redis://", "http://", 1)}}, "could be asked"},
		"not the system's":    {doctor.Proof{SysURL: as("cell", s.nats)}, "not credentials of the system account"},
		"nor anybody's":       {doctor.Proof{SysURL: as("nobody", s.nats)}, "system account"},
		"a secret in the URL": {doctor.Proof{Monitor: []string{"http://u:canary@127.0.0.1:1"}}, "127.0.0.1:1"},
	} {
		o.Proof = tt.proof
		why := doctor.Durable(t.Context(), o)
		if len(why) == 0 || why[0].Check != "nats-durability" {
			t.Fatalf("%s: %+v", name, why)
		}
		text := fmt.Sprint(why)
		if !strings.Contains(text, tt.says) || strings.Contains(text, "canary") || !strings.Contains(text, "--nats-monitor") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// stream edits a stream of the cell behind provisioning's back.
func stream(name func(bus.Names) string, change func(*jetstream.StreamConfig)) func(*testing.T, *stack, *doctor.Options) {
	return func(t *testing.T, _ *stack, o *doctor.Options) {
		t.Helper()
		b := connect(t, *o)
		have, err := b.JetStream().Stream(t.Context(), name(b.Names()))
		if err != nil {
			t.Fatal(err)
		}
		cfg := have.CachedInfo().Config
		change(&cfg)
		if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err == nil {
			return
		}
		if err := b.JetStream().DeleteStream(t.Context(), cfg.Name); err != nil { // what cannot be changed in place
			t.Fatal(err)
		}
		if _, err := b.JetStream().CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		_, consumers := b.Inspect(t.Context(), worker.Plan(o.Config))
		for _, c := range consumers {
			if c.Err == nil {
				continue
			}
			if _, err := b.JetStream().CreateConsumer(t.Context(), c.Stream, c.Want); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func consumer(change func(*jetstream.ConsumerConfig)) func(*testing.T, *stack, *doctor.Options) {
	return func(t *testing.T, _ *stack, o *doctor.Options) {
		t.Helper()
		b := connect(t, *o)
		have, err := b.JetStream().Consumer(t.Context(), b.Names().In(), b.Names().WorkerConsumer("op"))
		if err != nil {
			t.Fatal(err)
		}
		cfg := have.CachedInfo().Config
		change(&cfg)
		if _, err := b.JetStream().UpdateConsumer(t.Context(), b.Names().In(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}

func linksBucket(n bus.Names) string { return "KV_" + n.Links() }

func natsSeeds() []seed {
	return []seed{
		{"nats flushes every two minutes, and takes small messages only", func(t *testing.T, s *stack, o *doctor.Options) {
			*o = s.cellAt(t, s.plain, s.plainMonitor, "plain")
		}, []symptom{
			{"nats-durability", "", doctor.Unsafe, "flushes every 2m0s and confirms before that", "jetstream { sync_interval: always }"},
			{"nats", "", doctor.Unsafe, "max_payload is 64 KB", "max_payload: 1MB"},
		}},
		{"nothing is provisioned for a provider", func(_ *testing.T, _ *stack, o *doctor.Options) {
			o.Config.Providers["mail"] = o.Config.Providers["op"]
		}, []symptom{
			{"nats-streams", "_IN", doctor.Error, "mail.> is missing", "worker provision"},
			{"nats-consumers", "/worker-mail", doctor.Error, "is not there", "worker provision"},
			{"nats-consumers", "/due-mail", doctor.Error, "is not there", "worker provision"},
		}},
		{"the account has no JetStream", func(t *testing.T, s *stack, o *doctor.Options) {
			o.Config.NATS.URL = as("none", s.nats)
		}, []symptom{{"nats", "JetStream", doctor.Error, "not enabled", "jetstream: enabled"}}},
		{"the account is nearly full", func(t *testing.T, s *stack, o *doctor.Options) {
			*o = s.cellAt(t, as("tight", s.nats), s.monitor, "tight")
			b := connect(t, *o)
			if _, err := b.JetStream().Publish(t.Context(), b.Names().Subjects().DeadOf("x"), make([]byte, 180_000)); err != nil {
				t.Fatal(err)
			}
		}, []symptom{{"nats", "JetStream", doctor.Unsafe, "of the account's file storage are used", "raise max_file"}}},
		{"links are in memory", stream(linksBucket, func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }),
			[]symptom{{"nats-storage", "_links", doctor.Unsafe, "a restart of nats-server loses links with their tokens", "nats stream rm KV_"}}},
		{"links have an age", stream(linksBucket, func(c *jetstream.StreamConfig) { c.MaxAge = 24 * time.Hour }),
			[]symptom{{"nats-storage", "_links", doctor.Unsafe, "max_age is 24h0m0s, want 0s: the server deletes what is older", "worker provision"}}},
		{"links have a history", stream(linksBucket, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }),
			[]symptom{{"nats-streams", "_links", doctor.Warn, "kept several times, spent tokens included", "worker provision"}}},
		{"a full bucket makes room", stream(linksBucket, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }),
			[]symptom{{"nats-storage", "_links", doctor.Unsafe, "throwing away the oldest of links", "worker provision"}}},
		{"records must be small", stream(linksBucket, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4096 }),
			[]symptom{{"nats-streams", "_links", doctor.Unsafe, "max_msg_size is 4096", "--max-msg-size=-1"}}},
		{"an ack deletes inputs", stream(bus.Names.In, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }),
			[]symptom{{"nats-storage", "_IN", doctor.Unsafe, "messages go before their time", "nats stream rm"}}},
		{"inputs are counted", stream(bus.Names.In, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 }),
			[]symptom{{"nats-storage", "_IN", doctor.Unsafe, "it deletes reports that no worker has handled", "--max-msgs=-1"}}},
		{"inputs are kept for an hour", stream(bus.Names.In, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }),
			[]symptom{{"nats-streams", "_IN", doctor.Warn, "max_age is 1h0m0s, want 720h0m0s", "worker provision"}}},
		{"outputs are not passed on", stream(bus.Names.Out, func(c *jetstream.StreamConfig) { c.RePublish = nil }),
			[]symptom{{"nats-streams", "_OUT", doctor.Error, "go on with dead bearers", "worker provision"}}},
		{"outputs are doubled soon", stream(bus.Names.Out, func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }),
			[]symptom{{"nats-streams", "_OUT", doctor.Warn, "subscribers see duplicates", "worker provision"}}},
		{"timers have an age", stream(bus.Names.Timer, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }),
			[]symptom{{"nats-storage", "_TIMER", doctor.Unsafe, "links are not renewed in time", "worker provision"}}},
		{"the audit can be purged", stream(bus.Names.Audit, func(c *jetstream.StreamConfig) { c.DenyPurge, c.DenyDelete = false, false }), []symptom{
			{"nats-streams", "_AUDIT", doctor.Unsafe, "deny_delete is false, want true: whoever may call JetStream can take entries out", "worker provision"},
			{"nats-streams", "_AUDIT", doctor.Unsafe, "deny_purge is false, want true: whoever may call JetStream can take entries out", "worker provision"},
		}},
		{"reports end after five deliveries", consumer(func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 }),
			[]symptom{{"nats-consumers", "/worker-op", doctor.Unsafe, "drops a report in silence", "worker provision"}}},
		{"workers disagree on lock_ttl", func(_ *testing.T, _ *stack, o *doctor.Options) { o.Config.LockTTL = 5 * time.Second }, []symptom{
			{"nats-consumers", "/worker-op", doctor.Warn, "ack_wait is 20s, want 10s", "the same lock_ttl"},
			{"nats-consumers", "/due-op", doctor.Warn, "ack_wait is 20s, want 10s", "the same lock_ttl"},
		}},
		{"a consumer is paused", func(t *testing.T, _ *stack, o *doctor.Options) {
			b := connect(t, *o)
			if _, err := b.JetStream().PauseConsumer(t.Context(), b.Names().In(), "worker-op", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, []symptom{{"nats-consumers", "/worker-op", doctor.Error, "is paused for another", "nats consumer resume"}}},
		{"credentials allow too little", func(t *testing.T, s *stack, o *doctor.Options) {
			*o = s.cellAt(t, as("cell", s.nats), s.monitor, "narrow")
			o.Config.NATS.URL = as("narrow", s.nats)
		}, []symptom{
			{"nats-permissions", "worker-doctor", doctor.Error, "could not write records", "worker permissions --role worker"},
			{"nats-permissions", ".worker-op.1.0.0.0.0", doctor.Error, "could not acknowledge", "worker permissions --role worker"},
			{"nats-permissions", ".worker-op.1.0.0.0.0.0", doctor.Error, "longer form", "worker permissions --role worker"},
			{"nats-permissions", ".due-op.1.0.0.0.0", doctor.Error, "could not acknowledge", "worker permissions --role worker"},
			{"nats-permissions", ".due-op.1.0.0.0.0.0", doctor.Error, "longer form", "worker permissions --role worker"},
			{"nats-permissions", ".live.>", doctor.Error, "may not subscribe to it", "worker permissions --role worker"},
		}},
	}
}

func set(name, value string) func(*testing.T, *stack, *doctor.Options) {
	return func(t *testing.T, s *stack, _ *doctor.Options) {
		before := s.admin.ConfigGet(t.Context(), name).Val()[name]
		if err := s.admin.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.do(t, "CONFIG", "SET", name, before) })
	}
}

func (s *stack) do(t *testing.T, args ...any) {
	t.Helper()
	if err := s.admin.Do(s.t.Context(), args...).Err(); err != nil {
		t.Error(err)
	}
}

// user lets the cell log in to Redis with these rights.
func user(name string, rules ...any) func(*testing.T, *stack, *doctor.Options) {
	return func(t *testing.T, s *stack, o *doctor.Options) {
		s.do(t, append([]any{"ACL", "SETUSER", name, "on", ">" + name}, rules...)...)
		o.Config.Redis.URL = as(name, s.redis)
	}
}

func redisSeeds() []seed {
	return []seed{
		{"redis forgets at a restart", set("appendonly", "no"),
			[]symptom{{"redis-persistence", "", doctor.Warn, "cost, not correctness", "appendonly yes"}}},
		{"redis does not flush", set("appendfsync", "no"),
			[]symptom{{"redis-persistence", "", doctor.Warn, "lost with the power", "appendfsync everysec"}}},
		{"redis evicts", func(t *testing.T, s *stack, o *doctor.Options) {
			set("maxmemory-policy", "allkeys-lru")(t, s, o)
			set("maxmemory", "100000000")(t, s, o)
		}, []symptom{{"redis-memory", "", doctor.Unsafe, "a provider's limit may be exceeded", "maxmemory-policy noeviction"}}},
		{"redis is a replica", func(t *testing.T, s *stack, _ *doctor.Options) {
			s.do(t, "REPLICAOF", "127.0.0.1", "1")
			t.Cleanup(func() { s.do(t, "REPLICAOF", "NO", "ONE") })
		}, []symptom{{"redis", "", doctor.Unsafe, "no lock is ever taken", "the primary's address"}}},
		{"redis does not let itself be looked into", user("blind", "~*", "&*", "+@all", "-config"),
			[]symptom{{"redis-persistence", "", doctor.Unknown, "appendfsync cannot be read", "+config|get"}}},
		{"redis refuses scripts", user("mute", "~*", "&*", "+@all", "-eval", "-zadd"), []symptom{
			{"redis-permissions", "EVAL", doctor.Error, "was refused", "worker permissions --role worker"},
			{"redis-permissions", "ZADD", doctor.Error, "was refused", "worker permissions --role worker"},
		}},
		{"redis is not there", func(_ *testing.T, _ *stack, o *doctor.Options) { o.Config.Redis.URL = "redis://127.0.0.1:1/0" },
			[]symptom{{"redis", "", doctor.Error, "goes on under the intent alone", "correct redis.url"}}},
	}
}

func hostSeeds() []seed {
	return []seed{
		{"the clock is ahead", func(_ *testing.T, _ *stack, o *doctor.Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Minute) }
		}, []symptom{
			{"clock", "NATS", doctor.Unsafe, "1m0s ahead of it", "timedatectl status"},
			{"clock", "Redis", doctor.Unsafe, "1m0s ahead of it", "timedatectl status"},
		}},
		{"the key file is open to all", func(t *testing.T, _ *stack, o *doctor.Options) { chmod(t, o.Config.Keys.File, 0o644) },
			[]symptom{{"keys", "keys.json", doctor.Unsafe, "can open every stored token", "chmod 600 "}}},
		{"there is no key file", func(_ *testing.T, _ *stack, o *doctor.Options) { o.Config.Keys.File += ".lost" },
			[]symptom{{"keys", "keys.json.lost", doctor.Error, "no link can be opened", "copy the cell's key file"}}},
		{"the key file is another cell's", func(t *testing.T, _ *stack, o *doctor.Options) {
			importLinks(t, *o, 3)
			keys, err := seal.Generate()
			if err == nil {
				o.Config.Keys.File += ".other"
				err = keys.Save(o.Config.Keys.File)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, []symptom{{"keys", ".other", doctor.Unsafe, "does not open 3 of 3 links", "the cell's other workers"}}},
		{"the data directory is a file", func(t *testing.T, _ *stack, o *doctor.Options) {
			o.Config.DataDir = filepath.Join(t.TempDir(), "file")
			write(t, o.Config.DataDir, "", 0o600)
		}, []symptom{{"data-dir", "/file", doctor.Error, "an answer cannot be saved there", "data_dir"}}},
		{"anybody may write to the data directory", func(t *testing.T, _ *stack, o *doctor.Options) { chmod(t, o.Config.DataDir, 0o777) },
			[]symptom{{"data-dir", "/data", doctor.Unsafe, "may remove or replace saved answers", "chmod 700 "}}},
		{"the data directory is in memory", func(t *testing.T, _ *stack, o *doctor.Options) {
			dir, err := os.MkdirTemp("/dev/shm", "regrant-doctor-")
			if err != nil {
				t.Skip("no memory file system to try it on")
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			o.Config.DataDir = dir
		}, []symptom{{"data-dir", "", doctor.Unsafe, "lost with the power", "data_dir"}}},
		{"an answer was left behind", func(t *testing.T, _ *stack, o *doctor.Options) {
			dead, err := spool.Open(filepath.Join(o.Config.DataDir, "spool"), "dead")
			if err == nil {
				err = dead.Put("A1", []byte("sealed"))
			}
			if err == nil {
				err = dead.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}, []symptom{{"spool", "dead", doctor.Warn, "1 answers of a worker that has ended", "takes them over"}}},
		{"a secret is open to all", func(t *testing.T, _ *stack, o *doctor.Options) {
			chmod(t, filepath.Join(o.Config.Dir, "op.secret"), 0o644)
		},
			[]symptom{{"secret-files", "op.secret", doctor.Warn, "mode 0644", "chmod 600 "}}},
		{"a secret is not there", profile(func(p *providers.Profile) { p.ClientSecretFile = "none" }),
			[]symptom{{"providers", "op", doctor.Error, "put the secret into that file", "worker providers show op"}}},
		{"no auth style", profile(func(p *providers.Profile) { p.AuthStyle = "" }),
			[]symptom{{"providers", "op", doctor.Error, "guessing presents the refresh token twice", "worker providers show op"}}},
		{"no TLS", profile(func(p *providers.Profile) { p.TokenURL = "http://op.example.com/token" }),
			[]symptom{{"providers", "op", doctor.Error, "must begin with https://", "worker providers show op"}}},
		{"a rule that ends grants", profile(func(p *providers.Profile) {
			p.Rotation, p.OnReuse, p.Replay.Kind = providers.RotationAlways, providers.ReuseRevokesFamily, providers.ReplaySafe
		}), []symptom{{"providers", "op", doctor.Unsafe, "this ends the user's grant", "`replay: forbidden`"}}},
		{"loopback is allowed", profile(func(p *providers.Profile) { p.AllowLoopback = true }),
			[]symptom{{"providers", "op", doctor.Warn, "answers its DNS", "remove allow_loopback"}}},
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func profile(change func(*providers.Profile)) func(*testing.T, *stack, *doctor.Options) {
	return func(_ *testing.T, _ *stack, o *doctor.Options) {
		p := o.Config.Providers["op"]
		change(&p)
		o.Config.Providers["op"] = p
	}
}
