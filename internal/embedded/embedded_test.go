package embedded_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/internal/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startNATS(t *testing.T, cfg embedded.NATSConfig) *embedded.NATS {
	t.Helper()
	srv, err := embedded.StartNATS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func bucket(t *testing.T, url string) jetstream.KeyValue {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestNATSKeepsItsStoreAcrossRestarts(t *testing.T) {
	cfg := embedded.NATSConfig{Port: -1, StoreDir: t.TempDir(), SyncAlways: true}
	first := startNATS(t, cfg)
	if !first.SyncAlways() {
		t.Error("the server does not sync always though told to")
	}
	if _, err := bucket(t, first.URL()).Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	entry, err := bucket(t, startNATS(t, cfg).URL()).Get(t.Context(), "k")
	if err != nil || string(entry.Value()) != "v" {
		t.Fatalf("after the restart: %v, %v", entry, err)
	}
}

func TestNATSRefusesToStart(t *testing.T) {
	running := startNATS(t, embedded.NATSConfig{Port: -1, StoreDir: t.TempDir()})
	if running.SyncAlways() {
		t.Error("the server syncs always though not told to")
	}
	dir := t.TempDir()
	startNATS(t, embedded.NATSConfig{Port: -1, StoreDir: dir})
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		cfg  embedded.NATSConfig
		says string
	}{
		"no store directory": {t.Context(), embedded.NATSConfig{Port: -1}, "store directory"},
		"store in use":       {t.Context(), embedded.NATSConfig{Port: -1, StoreDir: dir}, "in use by another server"},
		"port in use":        {t.Context(), embedded.NATSConfig{Port: port(t, running.URL()), StoreDir: t.TempDir()}, "address already in use"},
		"ctx cut":            {cut, embedded.NATSConfig{Port: -1, StoreDir: t.TempDir()}, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := embedded.StartNATS(c.ctx, c.cfg)
			if err == nil {
				_ = srv.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %q does not say %q", err, c.says)
			}
		})
	}
}

func TestNATSGivesTheStoreFreeWhenItFailsToStart(t *testing.T) {
	running := startNATS(t, embedded.NATSConfig{Port: -1, StoreDir: t.TempDir()})
	dir := t.TempDir()
	if _, err := embedded.StartNATS(t.Context(), embedded.NATSConfig{Port: port(t, running.URL()), StoreDir: dir}); err == nil {
		t.Fatal("two servers on one port")
	}
	startNATS(t, embedded.NATSConfig{Port: -1, StoreDir: dir})
}

func TestRedisTTLsRun(t *testing.T) {
	srv, client := startRedis(t)
	if err := client.Set(t.Context(), "k", "v", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for client.Get(t.Context(), "k").Err() == nil { // bounded by the test's own time-out: without the clock it never ends
	}
	if err := client.Get(t.Context(), "k").Err(); !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRedisTellsTheTimeThatItsTTLsFollow(t *testing.T) {
	_, client := startRedis(t)
	before := time.Now().Add(-time.Second)
	now, err := client.Time(t.Context()).Result()
	if err != nil || now.Before(before) || now.After(time.Now().Add(time.Second)) {
		t.Fatalf("TIME says %v, %v", now, err)
	}
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.PExpireAt(t.Context(), "k", now.Add(time.Hour)).Err(); err != nil {
		t.Fatal(err)
	}
	ttl, err := client.PTTL(t.Context(), "k").Result()
	if err != nil || ttl > time.Hour || ttl < time.Hour-time.Minute {
		t.Fatalf("an hour from TIME leaves %v, %v", ttl, err)
	}
}

func TestRedisRefusesToStart(t *testing.T) {
	srv, _ := startRedis(t)
	if _, err := embedded.StartRedis(t.Context(), embedded.RedisConfig{Addr: srv.Addr()}); err == nil || !strings.Contains(err.Error(), srv.Addr()) {
		t.Fatalf("second server on one address: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := embedded.StartRedis(ctx, embedded.RedisConfig{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("ctx cut: %v", err)
	}
}

func startRedis(t *testing.T) (*embedded.Redis, *redis.Client) {
	t.Helper()
	srv, err := embedded.StartRedis(t.Context(), embedded.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	opts, err := redis.ParseURL(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return srv, client
}

func port(t *testing.T, rawURL string) int {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
