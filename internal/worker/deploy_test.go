package worker_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/doctor"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers/providertest"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
)

const deployed = "../../deploy/"

// The stack of docker-compose.yml without Docker: its own configuration files, given
// to the servers that its images hold, and a worker that refreshes with them.
func TestTheFilesOfTheComposeStackWorkTogether(t *testing.T) {
	dir := t.TempDir()
	nats := testenv.RealNATS(t, t.TempDir(), 0, "-c", absolute(t, "etc/nats.conf"), "-m", "-1")
	redisURL := testenv.RealRedis(t, "--include", absolute(t, "etc/redis.conf")).URL
	redisHas(t, redisURL, map[string]string{"appendonly": "yes", "maxmemory-policy": "noeviction"})

	behaviour, err := providertest.Named("akoya")
	if err != nil {
		t.Fatal(err)
	}
	sim, err := providertest.Start(providertest.Config{Dir: dir, Providers: map[string]providertest.Behaviour{"akoya": behaviour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	c := composeConfig(t, dir, sim)
	c.NATS.URL, c.Redis.URL = nats.URL, redisURL

	keys, err := seal.Generate()
	if err == nil {
		err = keys.Save(c.Keys.File)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := connected(t, c)
	if _, err := b.Provision(t.Context(), worker.Plan(c)); err != nil {
		t.Fatal(err)
	}
	l := importedInto(t, c, b, keys, sim)
	w, err := worker.Start(t.Context(), worker.Options{Config: c, Keys: keys, Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, w.Stop) })
	reported(t, b, l)
	testenv.Eventually(t, limit, "the link is rotated", func() bool {
		last, err := b.LastOutput(t.Context(), l)
		return err == nil && last == 2 // created, rotated
	})
	wantHealthy(t, c, nats)
}

var monitored = regexp.MustCompile(`http monitor on (127\.0\.0\.1:\d+)`)

// wantHealthy has the doctor look at the stack. It warns of the simulated provider alone,
// which is without TLS on loopback, as the file says beside the line that allows it.
func wantHealthy(t *testing.T, c config.Config, nats *testenv.Process) {
	t.Helper()
	at := monitored.FindStringSubmatch(nats.Output())
	if at == nil {
		t.Fatal("the server has no monitoring port")
	}
	o := doctor.Options{Config: c, Now: time.Now, Proof: doctor.Proof{Monitor: []string{"http://" + at[1]}}, Log: testenv.Log(t)}
	for _, f := range doctor.Examine(t.Context(), o).Bad(doctor.Warn, doctor.Unknown, doctor.Error, doctor.Unsafe) {
		if f.Check == "providers" && f.Status == doctor.Warn {
			continue
		}
		t.Errorf("%s %s %s: %s\n\tto mend it: %s", f.Status, f.Check, f.Subject, f.Says, f.Fix)
	}
	if why := doctor.Durable(t.Context(), o); len(why) > 0 {
		t.Errorf("--require-durable would refuse the stack: %+v", why)
	}
}

// What the images are told is what this repository's servers are tested with.
func TestDeployedConfigurationsAreRead(t *testing.T) {
	for _, file := range []string{"etc/regrant.yaml", "cluster/regrant.yaml"} {
		c, err := config.Load(deployed + file)
		if err != nil {
			t.Fatal(err)
		}
		if c = c.Defaults(); c.Validate() != nil {
			t.Errorf("%s: %v", file, c.Validate())
		}
		if file == "cluster/regrant.yaml" && (c.NATS.Replicas != 3 || len(strings.Split(c.Redis.URL, ",")) != 6) {
			t.Errorf("%s: %d replicas, Redis %s", file, c.NATS.Replicas, c.Redis.URL)
		}
	}
	for _, file := range []string{"etc/nats.conf", "cluster/nats.conf"} {
		if !strings.Contains(string(read(t, deployed+file)), "sync_interval: always") {
			t.Errorf("%s does not write before it confirms", file)
		}
	}
}

// A stop that does not wait for the longest provider call costs a user's consent.
func TestTheGraceOfAContainerIsLongerThanAProviderCall(t *testing.T) {
	budget := config.Config{}.Defaults().Budget()
	if need := (budget.DeadlineOnce + budget.Recovery).Seconds(); need > 150 {
		t.Errorf("a worker may need %v s to stop", need)
	}
	for _, file := range []string{"../docker-compose.yml", "compose.cluster.yml"} {
		if !strings.Contains(string(read(t, deployed+file)), "stop_grace_period: 150s") {
			t.Errorf("%s gives workers no 150 s to stop", file)
		}
	}
}

// composeConfig is the stack's file with this simulator's address and this directory.
func composeConfig(t *testing.T, dir string, sim *providertest.Server) config.Config {
	t.Helper()
	text := string(read(t, deployed+"etc/regrant.yaml"))
	for old, is := range map[string]string{
		"http://127.0.0.1:8090": sim.URL(), "/simulator/": dir + "/", "/var/lib/regrant": dir, "/keys/": dir + "/",
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("regrant.yaml does not name %s", old)
		}
		text = strings.ReplaceAll(text, old, is)
	}
	at := sim.Endpoints("akoya")
	if err := os.WriteFile(filepath.Join(dir, "akoya.secret"), []byte(at.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Join(dir, "regrant.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c.Defaults()
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(deployed + file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func redisHas(t *testing.T, url string, want map[string]string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	for name, value := range want {
		got, err := client.ConfigGet(t.Context(), name).Result()
		if err != nil || got[name] != value {
			t.Errorf("Redis has %s %q, want %q (%v)", name, got[name], value, err)
		}
	}
}

func connected(t *testing.T, c config.Config) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: c.NATS.URL, Prefix: c.NATS.Prefix, Role: "operator", Budget: c.Budget(), Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, b.Close) })
	return b
}

func importedInto(t *testing.T, c config.Config, b *bus.Bus, keys *seal.Keys, sim *providertest.Server) events.Address {
	t.Helper()
	store, err := worker.Store(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	g := sim.Issue("akoya", "sub-1")
	line := handlers.ImportLine{
		Address: events.Address{Tenant: "default", Provider: "akoya", Link: "L1"}, User: "user-1", Sub: "sub-1",
		Access: secret.New(g.AccessToken), Refresh: secret.New(g.RefreshToken), ID: secret.New(g.IDToken), ExpiresAt: g.ExpiresAt,
	}
	if err := worker.Importer(c, b, store, keys, time.Now).Import(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	return line.Address
}

func reported(t *testing.T, b *bus.Bus, a events.Address) {
	t.Helper()
	e, err := events.NewInput("//test/deploy", "1", time.Now(), events.Trace{}, events.TokenExpired{Address: a, Generation: 1, Reason: events.ReasonUnauthorized})
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Names().Subjects().InputMessage(e)
	if err == nil {
		err = b.PublishInput(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
}
