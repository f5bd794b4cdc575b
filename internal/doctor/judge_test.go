package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

// good are the facts of three servers on which all is well.
func good() natsFacts {
	peers := &jetstream.ClusterInfo{Name: "c", Leader: "n1", Replicas: []*jetstream.PeerInfo{{Name: "n2", Current: true}, {Name: "n3", Current: true}}}
	cfg := jetstream.StreamConfig{Name: "KV_regrant_links", Storage: jetstream.FileStorage, Replicas: 3, Discard: jetstream.DiscardNew}
	always := func(name string) serverFacts {
		return serverFacts{Name: name, Version: "2.15.2", JetStream: true, SyncAlways: true}
	}
	return natsFacts{
		Server: "n1", Version: "2.15.2", Cluster: "c", MaxPayload: 1 << 20, Account: &jetstream.AccountInfo{},
		Streams: []bus.PlacedStream{{Want: cfg, Have: &jetstream.StreamInfo{Config: cfg, Cluster: peers}}},
		Sync:    syncFacts{Asked: true, Servers: []serverFacts{always("n1"), always("n2"), always("n3")}, Expected: []string{"n1", "n2", "n3"}},
	}
}

// What takes a cluster, an old server or bad luck to be seen on real ones.
func TestJudgingNATS(t *testing.T) {
	for name, tt := range map[string]struct {
		wrong  func(*natsFacts)
		status Status
		says   string
	}{
		"nothing":                {func(*natsFacts) {}, OK, ""},
		"an old server":          {func(f *natsFacts) { f.Version = "2.11.9" }, Error, "2.11.9 is too old"},
		"an old member":          {func(f *natsFacts) { f.Sync.Servers[2].Version = "2.12.1" }, Error, "2.12.1, which is too old"},
		"a member flushes later": {func(f *natsFacts) { f.Sync.Servers[1].SyncAlways = false }, Unsafe, "which the loss of one survives, and the loss of power of all does not"},
		"a member not asked":     {func(f *natsFacts) { f.Sync.Servers = f.Sync.Servers[:2] }, Unknown, "nobody asked it"},
		"a member without JS":    {func(f *natsFacts) { f.Sync.Servers[2].JetStream = false }, Unknown, "says nothing of JetStream"},
		"a member that hangs":    {func(f *natsFacts) { f.Sync.Err = errors.New("timeout") }, Unknown, "timeout"},
		"one copy in a cluster":  {func(f *natsFacts) { f.Streams[0].Have.Config.Replicas = 1; f.Streams[0].Want.Replicas = 1 }, Warn, "1 of 3 copies, though there is a cluster"},
		"fewer than configured":  {func(f *natsFacts) { f.Streams[0].Have.Config.Replicas = 1 }, Unsafe, "num_replicas is 1, want 3"},
		"a copy is behind":       {func(f *natsFacts) { f.Streams[0].Have.Cluster.Replicas[0].Current = false }, Warn, "its copy on n2 is behind"},
		"a copy is away":         {func(f *natsFacts) { f.Streams[0].Have.Cluster.Replicas[1].Offline = true }, Warn, "its copy on n3"},
		"files are damaged":      {func(f *natsFacts) { f.Streams[0].Have.State.Lost = &jetstream.LostStreamData{Msgs: []uint64{7}} }, Unsafe, "lost 1 messages to damaged files"},
		"written later":          {func(f *natsFacts) { f.Streams[0].Have.Config.PersistMode = jetstream.AsyncPersistMode }, Unsafe, "persist_mode is async"},
		"nothing is confirmed":   {func(f *natsFacts) { f.Streams[0].Have.Config.NoAck = true }, Unsafe, "no_ack"},
		"a bucket is full":       {func(f *natsFacts) { f.Streams[0].Have.Config.MaxBytes, f.Streams[0].Have.State.Bytes = 100, 81 }, Unsafe, "81 of max_bytes 100"},
		"a bucket is counted":    {func(f *natsFacts) { f.Streams[0].Have.Config.MaxMsgs = 9 }, Warn, "refuses new records"},
		"a bucket is sealed":     {func(f *natsFacts) { f.Streams[0].Have.Config.Sealed = true }, Error, "is sealed"},
		"a mirror":               {func(f *natsFacts) { f.Streams[0].Have.Config.Sources = []*jetstream.StreamSource{{Name: "x"}} }, Unsafe, "no worker decided on"},
		"not allowed to look":    {func(f *natsFacts) { f.Streams[0].Have, f.Streams[0].Err = nil, errors.New("no answer") }, Unknown, "no answer"},
		"many consumers":         {func(f *natsFacts) { f.Account.Limits.MaxConsumers, f.Account.Consumers = 10, 9 }, Warn, "9 of 10 consumers"},
		"not reached":            {func(f *natsFacts) { *f = natsFacts{Err: errors.New("refused")} }, Error, "refused"},
	} {
		f := good()
		tt.wrong(&f)
		expect(t, name, judgeNATS(f), tt.status, tt.says)
	}
}

func TestJudgingConsumers(t *testing.T) {
	want := jetstream.ConsumerConfig{Durable: "worker-op", AckWait: time.Second, MaxDeliver: -1, AckPolicy: jetstream.AckExplicitPolicy}
	for name, tt := range map[string]struct {
		wrong  func(*jetstream.ConsumerConfig)
		status Status
		says   string
	}{
		"nothing":       {func(*jetstream.ConsumerConfig) {}, OK, ""},
		"acks for all":  {func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy }, Error, "settled before they are handled"},
		"new ones only": {func(c *jetstream.ConsumerConfig) { c.DeliverPolicy = jetstream.DeliverNewPolicy }, Error, "reports are skipped"},
		"another's":     {func(c *jetstream.ConsumerConfig) { c.FilterSubject = "x" }, Error, "other messages"},
		"few at a time": {func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 1 }, Warn, "fewer messages"},
		"no bodies":     {func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, Error, "headers only"},
		"back-off":      {func(c *jetstream.ConsumerConfig) { c.BackOff = []time.Duration{1} }, Warn, "backoff takes the place"},
		"removed idle":  {func(c *jetstream.ConsumerConfig) { c.InactiveThreshold = time.Hour }, Unsafe, "removed"},
		"in memory":     {func(c *jetstream.ConsumerConfig) { c.MemoryStorage = true }, Warn, "delivered again"},
	} {
		have := want
		tt.wrong(&have)
		f := natsFacts{Consumers: []bus.PlacedConsumer{{Stream: "REGRANT_IN", Want: want, Have: &jetstream.ConsumerInfo{Config: have}}}}
		expect(t, name, judgeConsumers(f), tt.status, tt.says)
	}
}

func TestJudgingRedis(t *testing.T) {
	for name, tt := range map[string]struct {
		wrong  func(*redisFacts)
		status Status
		says   string
	}{
		"nothing":              {func(*redisFacts) {}, OK, ""},
		"an old server":        {func(f *redisFacts) { f.Nodes[0].Info["redis_version"] = "5.0.14" }, Error, "5.0.14 is too old"},
		"a member addressed":   {func(f *redisFacts) { f.Nodes[0].Info["redis_mode"] = "cluster" }, Error, "names one server"},
		"a cluster with a gap": {func(f *redisFacts) { f.ClusterURL, f.ClusterState = true, "fail" }, Error, "the cluster's state is fail"},
		"evicts nothing yet":   {func(f *redisFacts) { f.Nodes[0].Info["maxmemory_policy"] = "volatile-lru" }, Warn, "nothing is evicted yet"},
		"a full disk":          {func(f *redisFacts) { f.Nodes[0].Info["aof_last_write_status"] = "err" }, Warn, "last write"},
		"INFO is refused":      {func(f *redisFacts) { f.Nodes[0] = redisNode{InfoErr: errors.New("NOPERM")} }, Unknown, "NOPERM"},
		"says little":          {func(f *redisFacts) { f.Nodes[0].Info = map[string]string{} }, Unknown, "does not say"},
	} {
		f := redisFacts{Nodes: []redisNode{{Fsync: "everysec", Info: map[string]string{
			"redis_version": "7.0.15", "role": "master", "redis_mode": "standalone", "maxmemory": "0", "maxmemory_policy": "noeviction", "aof_enabled": "1", "aof_last_write_status": "ok",
		}}}}
		tt.wrong(&f)
		expect(t, name, judgeRedis(f), tt.status, tt.says)
	}
}

func TestJudgingDisks(t *testing.T) {
	for name, tt := range map[string]struct {
		facts  diskFacts
		status Status
		says   string
	}{
		"nothing":      {diskFacts{Mode: 0o700, Free: 1 << 40}, OK, ""},
		"not made yet": {diskFacts{Missing: true, Mode: 0o777}, OK, ""},
		"over the net": {diskFacts{Mode: 0o700, Type: "nfs"}, Unsafe, "two workers may finish one answer"},
		"little room":  {diskFacts{Mode: 0o700, Free: 5 << 20}, Warn, "has 5 MB left"},
		"unreadable":   {diskFacts{Mode: 0o700, Unread: errors.New("permission denied")}, Error, "permission denied"},
	} {
		expect(t, name, judgeDisk(tt.facts), tt.status, tt.says)
	}
}

func TestJudgingConfigurations(t *testing.T) {
	base := providers.Profile{TokenURL: "https://op.example.com/token", Rotation: providers.RotationAlways}
	for name, tt := range map[string]struct {
		wrong  func(*config.Config, *providers.Profile)
		status Status
		says   string
	}{
		"nothing":            {func(*config.Config, *providers.Profile) {}, OK, ""},
		"no time to answer":  {func(c *config.Config, _ *providers.Profile) { c.LockTTL = 200 * time.Millisecond }, Unsafe, "gives a provider 300ms to answer"},
		"a lock server each": {func(c *config.Config, _ *providers.Profile) { c.Redis.URL = "" }, Warn, "a lock server of its own"},
		"nothing known":      {func(_ *config.Config, p *providers.Profile) { p.Replay.Kind = providers.ReplaySafe }, Warn, "is not written down"},
		"a used one is fine": {func(_ *config.Config, p *providers.Profile) {
			p.Replay.Kind, p.OnReuse = providers.ReplaySafe, providers.ReuseIgnored
		}, OK, ""},
		"a window too small": {func(_ *config.Config, p *providers.Profile) {
			p.Replay = providers.Replay{Kind: providers.ReplayGrace, Window: 15 * time.Second}
		}, Warn, "never holds a second call"},
		"a window": {func(_ *config.Config, p *providers.Profile) {
			p.Replay = providers.Replay{Kind: providers.ReplayGrace, Window: 30 * time.Second}
		}, OK, ""},
		"a test's provider": {func(_ *config.Config, p *providers.Profile) {
			p.TokenURL, p.AllowLoopback = "http://127.0.0.1:1/t", true
		}, Warn, "clear text"},
		"no provider": {func(c *config.Config, _ *providers.Profile) { c.Providers = nil }, Error, "no provider"},
	} {
		p := base
		c := config.Config{NATS: config.NATS{URL: "nats://n"}, Redis: config.Redis{URL: "redis://r"}, LockTTL: budget.Default}
		c.Providers = map[string]providers.Profile{}
		tt.wrong(&c, &p)
		if c.Providers != nil {
			c.Providers["op"] = p
		}
		expect(t, name, judgeConfig(configFacts{Config: c}), tt.status, tt.says)
	}
}

func TestJudgingClocks(t *testing.T) {
	for name, tt := range map[string]struct {
		facts  clockFacts
		status Status
	}{
		"not asked":     {clockFacts{Offset: time.Hour}, OK},
		"close":         {clockFacts{Asked: true, Offset: -900 * time.Millisecond}, OK},
		"a slow answer": {clockFacts{Asked: true, Offset: 12 * time.Second, Within: 11500 * time.Millisecond}, OK},
		"behind":        {clockFacts{Asked: true, Offset: -3 * time.Second}, Warn},
		"far ahead":     {clockFacts{Asked: true, Offset: 11 * time.Second}, Unsafe},
		"no answer":     {clockFacts{Asked: true, Err: errors.New("no answer")}, Unknown},
	} {
		expect(t, name, judgeClock("NATS", tt.facts), tt.status, "")
	}
}

// expect finds the gravest of the findings, which says so, and a cure for each that
// is not well.
func expect(t *testing.T, name string, found []Finding, status Status, says string) {
	t.Helper()
	r := reportOf(found)
	if r.Status != status {
		t.Errorf("%s: %s, want %s: %+v", name, r.Status, status, found)
	}
	heard := status == OK
	for _, f := range found {
		if (f.Status == OK) != (f.Fix == "") {
			t.Errorf("%s: %s %s has the cure %q", name, f.Status, f.Check, f.Fix)
		}
		heard = heard || f.Status == status && strings.Contains(f.Says, says)
	}
	if !heard {
		t.Errorf("%s: nothing says %q: %+v", name, says, found)
	}
}
