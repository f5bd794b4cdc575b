package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/locks"
)

// A report about a replaced bearer needs no lock: whoever holds it may be
// settling another such report, and announces nothing that one could wait for.
func TestStaleReportWaitsForNoLock(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	options := fleet.Options{
		Dir: t.TempDir(), NATSURL: testenv.NATS(t), RedisURL: testenv.Redis(t), LockTTL: time.Hour,
		Providers: map[string]fleet.Provider{"op": hostile(t)}, Log: testenv.Log(t),
	}
	cell, err := fleet.New(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cell.Close(context.Background()) }()
	made, err := cell.Import(ctx, "op", 1)
	if err != nil {
		t.Fatal(err)
	}
	release := hold(ctx, t, options.RedisURL, made[0].Address)
	defer release()
	w, err := cell.Start(ctx, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // it would wait for the lock
		defer cancel()
		_ = w.Stop(ctx)
	}()

	m, err := cell.Report(events.TokenExpired{
		Address: made[0].Address, Fingerprint: events.Fingerprint("a bearer of long ago"), Reason: events.ReasonUnauthorized,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cell.Bus.PublishInput(ctx, m); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, "the report is settled while the lock is held", func() bool {
		of, err := cell.Bus.JetStream().Consumer(ctx, cell.Bus.Names().In(), cell.Bus.Names().WorkerConsumer("op"))
		return err == nil && of.CachedInfo().NumPending == 0 && of.CachedInfo().NumAckPending == 0
	})
}

// hold takes a link's lock for somebody who is no worker of this test.
func hold(ctx context.Context, t *testing.T, url string, a events.Address) (release func()) {
	t.Helper()
	at, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(at)
	locker := locks.New(client, locks.Config{Worker: "other", Budget: budget.Of(time.Hour), Prefix: "regrant", Log: testenv.Log(t)})
	lease, err := locker.Acquire(ctx, a.String())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = lease.Release(context.Background())
		locker.Close()
		_ = client.Close()
	}
}
