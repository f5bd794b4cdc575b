package locks_test

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/locks"
)

func TestMain(m *testing.M) {
	locks.RouteClientLog(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// limit bounds waits for what happens within a TTL on an idle machine.
const limit = time.Minute

func TestConformanceEmbedded(t *testing.T) {
	t.Parallel()
	conformance(t, testenv.Redis(t))
}

func TestConformanceRealRedis(t *testing.T) {
	t.Parallel()
	conformance(t, testenv.RealRedis(t).URL)
}

// conformance is what any server must show that workers take their locks from.
func conformance(t *testing.T, url string) {
	for name, c := range map[string]struct {
		test func(t *testing.T, url string, b budget.Budget)
		ttl  time.Duration // a minute: nothing expires or is renewed in the test's time
	}{
		"held until released":                    {heldUntilReleased, time.Minute},
		"not reentrant":                          {notReentrant, time.Minute},
		"of many at once one wins":               {oneWins, time.Minute},
		"names that begin alike do not share":    {namesThatBeginAlike, time.Minute},
		"release removes only its own":           {releaseOnlyOwn, time.Minute},
		"release of a vanished lock is no error": {releaseVanished, time.Minute},
		"prefixes are apart":                     {prefixesApart, time.Minute},
		"free one TTL after the owner died":      {freeAfterDeath, time.Second},
		"renewal raises the TTL":                 {renewalRaisesTTL, 4 * time.Second},
		"renewal notices a stolen lock":          {stolenIsLost, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { flush(t, url); c.test(t, url, budget.Of(c.ttl)) })
	}
}

func heldUntilReleased(t *testing.T, url string, b budget.Budget) {
	one, two := locker(t, url, "one", b), locker(t, url, "two", b)
	lease := acquire(t, one, "k")
	held(t, two, "k")
	acquire(t, two, "other")
	release(t, lease)
	release(t, lease) // again
	lease = acquire(t, two, "k")
	held(t, one, "k")
	select {
	case <-lease.Lost():
		t.Fatal("lost without reason")
	default:
	}
}

func notReentrant(t *testing.T, url string, b budget.Budget) {
	l := locker(t, url, "one", b)
	acquire(t, l, "k")
	held(t, l, "k")
}

func oneWins(t *testing.T, url string, b budget.Budget) {
	var workers [4]*locks.Redis
	for i := range workers {
		workers[i] = locker(t, url, "w", b)
	}
	var wins atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			_, err := workers[i%len(workers)].Acquire(t.Context(), "k")
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, locks.ErrHeld) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d workers won", wins.Load())
	}
}

func namesThatBeginAlike(t *testing.T, url string, b budget.Budget) {
	acquire(t, locker(t, url, "worker-10", b), "k")
	held(t, locker(t, url, "worker-1", b), "k")
	held(t, locker(t, url, "worker-10", b), "k")
	held(t, locker(t, url, "", b), "k")
}

func releaseOnlyOwn(t *testing.T, url string, b budget.Budget) {
	lease := acquire(t, locker(t, url, "one", b), "k")
	client := dial(t, url, b)
	if err := client.Set(t.Context(), "regrant:lock:k", "another's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	release(t, lease)
	if got := client.Get(t.Context(), "regrant:lock:k").Val(); got != "another's" {
		t.Fatalf("after the release the key is %q", got)
	}
}

func releaseVanished(t *testing.T, url string, b budget.Budget) {
	lease := acquire(t, locker(t, url, "one", b), "k")
	flush(t, url)
	release(t, lease)
}

func prefixesApart(t *testing.T, url string, b budget.Budget) {
	acquire(t, locker(t, url, "one", b), "k")
	other := locks.New(dial(t, url, b), locks.Config{Worker: "one", Budget: b, Prefix: "staging"})
	t.Cleanup(other.Close)
	acquire(t, other, "k")
}

func freeAfterDeath(t *testing.T, url string, b budget.Budget) {
	dead := locker(t, url, "dead", b)
	acquire(t, dead, "k")
	dead.Close() // as good as dead: nothing is renewed or released any more
	next := locker(t, url, "next", b)
	testenv.Eventually(t, limit, "the lock is free", func() bool {
		_, err := next.Acquire(t.Context(), "k")
		return err == nil
	})
}

func renewalRaisesTTL(t *testing.T, url string, b budget.Budget) {
	acquire(t, locker(t, url, "one", b), "k")
	client := dial(t, url, b)
	last := b.LockTTL
	testenv.Eventually(t, limit, "the TTL rises", func() bool {
		ttl, err := client.PTTL(t.Context(), "regrant:lock:k").Result()
		rose := err == nil && ttl > last
		last = ttl
		return rose
	})
}

func stolenIsLost(t *testing.T, url string, b budget.Budget) {
	lease := acquire(t, locker(t, url, "one", b), "k")
	if err := dial(t, url, b).Set(t.Context(), "regrant:lock:k", "another's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	<-lease.Lost()
}

func locker(t *testing.T, url, worker string, b budget.Budget) *locks.Redis {
	t.Helper()
	l := locks.New(dial(t, url, b), locks.Config{Worker: worker, Budget: b, Log: testenv.Log(t)})
	t.Cleanup(l.Close)
	return l
}

func dial(t *testing.T, url string, b budget.Budget) redis.UniversalClient {
	t.Helper()
	client, err := locks.Dial(url, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func flush(t *testing.T, url string) {
	t.Helper()
	if err := dial(t, url, budget.Of(time.Minute)).FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func acquire(t *testing.T, l locks.Locker, key string) locks.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func held(t *testing.T, l locks.Locker, key string) {
	t.Helper()
	if _, err := l.Acquire(t.Context(), key); !errors.Is(err, locks.ErrHeld) {
		t.Fatalf("want ErrHeld, got %v", err)
	}
}

func release(t *testing.T, lease locks.Lease) {
	t.Helper()
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}
