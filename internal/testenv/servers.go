package testenv

import (
	"context"
	"testing"
	"time"

	"github.com/regrant/regrant/internal/embedded"
)

// startLimit bounds the start of any server. It is generous because machines
// that run tests are slow at the worst moments; nothing waits for it when well.
const startLimit = time.Minute

// NATS starts a NATS server with JetStream of the test's own, in its temporary
// directory, and returns its URL.
func NATS(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	srv, err := embedded.StartNATS(ctx, embedded.NATSConfig{Port: -1, StoreDir: t.TempDir(), Log: Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, srv) })
	return srv.URL()
}

// Redis starts a lock server of the test's own, with a clock that runs, and
// returns its URL.
func Redis(t testing.TB) string {
	t.Helper()
	srv, err := embedded.StartRedis(t.Context(), embedded.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, srv) })
	return srv.URL()
}

func closed(t testing.TB, srv interface{ Close() error }) {
	if err := srv.Close(); err != nil {
		t.Errorf("close the embedded server: %v", err)
	}
}
