package crash_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// full says that everything is to be tried, however long it takes.
func full() bool { return os.Getenv("REGRANT_CRASH") == "full" }

// servers are shared by the cells of a test.
type servers struct {
	nats     *testenv.Process
	redis    *testenv.Process // nil where the embedded lock server takes its place
	redisURL string
}

// start starts a NATS server that flushes every write before it confirms it, and
// Redis; where there is none on this machine, the embedded lock server.
func start(t *testing.T) *servers {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(config, []byte("jetstream { sync_interval: always }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &servers{nats: testenv.RealNATS(t, dir, 0, "-c", config)}
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("REGRANT_TEST_REDIS") != "required" {
		s.redisURL = testenv.Redis(t)
		return s
	}
	s.redis = testenv.RealRedis(t)
	s.redisURL = s.redis.URL
	return s
}

// each runs a subtest for every case, a few at a time: they mostly wait.
func each[T any](t *testing.T, atOnce int, cases []T, name func(T) string, run func(*testing.T, T)) {
	t.Helper()
	var all sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, c := range cases {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			t.Run(name(c), func(t *testing.T) { run(t, c) })
		})
	}
	all.Wait()
}
