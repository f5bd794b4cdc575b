package locks_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/locks"
)

var normal = budget.Of(budget.Default)

func TestDialOneServer(t *testing.T) {
	for url, want := range map[string]redis.Options{
		"redis://":                        {Network: "tcp", Addr: "localhost:6379"},
		"redis://h:1/3":                   {Network: "tcp", Addr: "h:1", DB: 3},
		"redis://[::1]:7":                 {Network: "tcp", Addr: "[::1]:7"},
		"redis://u:p%40%2C%2F@h?db=2":     {Network: "tcp", Addr: "h:6379", DB: 2, Username: "u", Password: "p@,/"},
		"unix://u:p@/run/redis.sock?db=4": {Network: "unix", Addr: "/run/redis.sock", DB: 4, Username: "u", Password: "p"},
		"rediss://h:1?skip_verify=false":  {Network: "tcp", Addr: "h:1"},
	} {
		client, ok := dial(t, url, normal).(*redis.Client)
		if !ok {
			t.Fatalf("%s: not a client of one server", url)
		}
		got := client.Options()
		if got.Network != want.Network || got.Addr != want.Addr || got.DB != want.DB || got.Username != want.Username || got.Password != want.Password {
			t.Errorf("%s: %+v", url, got)
		}
		if (got.TLSConfig != nil) != strings.HasPrefix(url, "rediss:") {
			t.Errorf("%s: TLS %v", url, got.TLSConfig)
		}
		if !got.ContextTimeoutEnabled || got.MaxRetries != 0 || got.DialerRetries != 1 {
			t.Errorf("%s: retries %d, dials %d, context %v", url, got.MaxRetries, got.DialerRetries, got.ContextTimeoutEnabled)
		}
		for _, d := range []time.Duration{got.DialTimeout, got.ReadTimeout, got.WriteTimeout, got.PoolTimeout} {
			if d != normal.LockRenew/2 {
				t.Errorf("%s: time-out %v", url, d)
			}
		}
	}
}

func TestDialLeavesWhatTheURLSays(t *testing.T) {
	o := dial(t, "redis://h:1?read_timeout=7s&max_retries=2&pool_size=5", normal).(*redis.Client).Options()
	if o.ReadTimeout != 7*time.Second || o.MaxRetries != 2 || o.PoolSize != 5 {
		t.Fatalf("%+v", o)
	}
}

func TestDialCluster(t *testing.T) {
	for url, addrs := range map[string]string{
		"redis://u:p@h1:1,h2:2,h3:3":                   "h1:1 h2:2 h3:3",
		"redis://u:p@h1:1?addr=h2:2&addr=h3:3":         "h1:1 h2:2 h3:3",
		"rediss://u:p@h1:1,h2:2?max_redirects=5":       "h1:1 h2:2",
		"redis://u:p@h1:1?cluster=true&read_only=true": "h1:1",
	} {
		client, ok := dial(t, url, normal).(*redis.ClusterClient)
		if !ok {
			t.Fatalf("%s: not a cluster client", url)
		}
		o := client.Options()
		if got := strings.Join(o.Addrs, " "); got != addrs || o.Username != "u" || o.Password != "p" {
			t.Errorf("%s: %s as %s", url, got, o.Username)
		}
		if !o.ContextTimeoutEnabled || o.ReadTimeout != normal.LockRenew/2 {
			t.Errorf("%s: time-outs %+v", url, o)
		}
	}
}

func TestDialSentinel(t *testing.T) {
	client, ok := dial(t, "redis://s1:1,s2:2/4?master_name=m&username=u&password=p", normal).(*redis.Client)
	if !ok {
		t.Fatal("not a failover client")
	}
	o := client.Options()
	if o.Addr != "FailoverClient" || o.DB != 4 || o.Username != "u" || o.Password != "p" || !o.ContextTimeoutEnabled {
		t.Fatalf("%+v", o)
	}
}

func TestDialErrorsNameTheFaultButNoPassword(t *testing.T) {
	for url, says := range map[string]string{
		"":                                   "scheme",
		"http://h":                           "http",
		"redis://h:port":                     "port",
		"redis://h:1/zero":                   "zero",
		"redis://h:1?unknown=1":              "unknown",
		"redis://h1:1,h2":                    "h2",
		"unix://":                            "path",
		"u:canary@h:1":                       "percent-encode",
		"redis://u:canary#x@h:1":             "percent-encode",
		"redis://u:canary/x@h:1":             "percent-encode",
		"redis://u:can%ary@h:1":              "percent-encode",
		"redis://u:canary@h:1/canary":        "percent-encode",
		"redis://s?master_name=m&password=%": "percent-encode",
	} {
		_, err := locks.Dial(url, normal)
		if err == nil {
			t.Errorf("%s: no error", url)
			continue
		}
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "can") && !strings.Contains(err.Error(), "cannot be read, and") {
			t.Errorf("%s: %v", url, err)
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "can%ary") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}

func TestLocksOverAUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	testenv.RealRedis(t, "--unixsocket", socket)
	l := locker(t, "unix://"+socket, "one", normal)
	acquire(t, l, "k")
	held(t, l, "k")
}

func TestLocksOnACluster(t *testing.T) {
	t.Parallel()
	server := testenv.RealRedis(t, "--cluster-enabled", "yes")
	if err := dial(t, server.URL, normal).ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	one := dial(t, server.URL, normal)
	testenv.Eventually(t, limit, "the cluster is up", func() bool {
		return strings.Contains(one.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	l := locker(t, server.URL+"?cluster=true", "one", normal)
	lease := acquire(t, l, "k")
	held(t, l, "k")
	release(t, lease)
}
