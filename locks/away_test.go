package locks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/locks"
)

// quick is the fiftieth of the budget that protocol tests run with. A machine
// may be too slow for its time-outs: what must succeed is tried again.
var quick = budget.Of(budget.Default / 50)

func TestRedisKilledAndBack(t *testing.T) {
	server := testenv.RealRedis(t)
	l := locker(t, server.URL, "one", quick)
	lease := reacquire(t, l, "k")
	server.Kill()
	if _, err := l.Acquire(t.Context(), "k2"); !errors.Is(err, locks.ErrUnavailable) {
		t.Fatalf("with Redis dead: %v", err)
	}
	if l.Available() {
		t.Fatal("a dead Redis is available")
	}
	<-lease.Lost()
	if err := lease.Release(t.Context()); !errors.Is(err, locks.ErrUnavailable) {
		t.Fatalf("release with Redis dead: %v", err)
	}
	server.Restart() // on the same port, empty
	reacquire(t, l, "k2")
	if !l.Available() {
		t.Fatal("not available after Redis came back")
	}
}

func TestRedisStoppedCostsOneTimeout(t *testing.T) {
	server := testenv.RealRedis(t)
	l := locker(t, server.URL, "one", quick)
	reacquire(t, l, "warm") // the connection exists: the kernel takes what is written to it
	server.Stop()
	began := time.Now()
	for range 100 {
		if _, err := l.Acquire(t.Context(), "k"); !errors.Is(err, locks.ErrUnavailable) {
			t.Fatalf("with Redis stopped: %v", err)
		}
	}
	if cost := time.Since(began); cost > 5*time.Second { // 100 time-outs take 10 s, go-redis's defaults minutes
		t.Fatalf("100 callers took %v", cost)
	}
	server.Cont() // now it carries out what it was sent
	reacquire(t, l, "k")
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	server := testenv.RealRedis(t)
	l := locker(t, server.URL, "one", budget.Of(time.Hour)) // its own time-out does not come into it
	release(t, acquire(t, l, "warm"))
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Acquire(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, locks.ErrUnavailable) {
		t.Fatalf("want ctx.Err(), got %v", err)
	}
	if !l.Available() {
		t.Fatal("a caller that gave up is no word on Redis")
	}
}

func TestAWorkerThatIsStoppedLosesItsLockToAnother(t *testing.T) {
	url := testenv.Redis(t)
	stopped := locker(t, url, "stopped", quick)
	lease := reacquire(t, stopped, "k")
	stopped.Close() // its renewals stand still, and it does not know
	next := locker(t, url, "next", normal)
	reacquire(t, next, "k")
	_ = lease.Release(t.Context()) // it goes on, and believes that it still holds the lock
	held(t, next, "k")
}

func TestARedisThatRefusesIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		login string
		says  string
	}{
		"no login":       {[]string{"--requirepass", "right"}, "", "NOAUTH"},
		"wrong password": {[]string{"--requirepass", "right"}, ":canary-pass@", "WRONGPASS"},
		"replica":        {[]string{"--replicaof", "127.0.0.1", "1"}, "", "READONLY"},
		"no permission":  {[]string{"--user", "default", "on", "nopass", "~*", "+@all", "-eval", "-evalsha"}, "", "NOPERM"},
	} {
		t.Run(name, func(t *testing.T) {
			server := testenv.RealRedis(t, c.args...)
			l := locker(t, strings.Replace(server.URL, "://", "://"+c.login, 1), "one", budget.Of(time.Minute))
			_, err := l.Acquire(t.Context(), "k")
			if !errors.Is(err, locks.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("want ErrUnavailable that says %s, got %v", c.says, err)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Fatalf("the error shows the password: %v", err)
			}
		})
	}
}

// reacquire takes the lock of key once Redis answers again or its last holder's
// TTL has passed.
func reacquire(t *testing.T, l locks.Locker, key string) (lease locks.Lease) {
	t.Helper()
	testenv.Eventually(t, limit, "the lock can be taken", func() bool {
		var err error
		lease, err = l.Acquire(t.Context(), key)
		return err == nil
	})
	return lease
}
