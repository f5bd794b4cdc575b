package locks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/locks"
)

// These tests run in synctest bubbles: time.Sleep moves their clock on and takes
// no real time.

func TestRenewalKeepsTheLockForAnyTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		time.Sleep(100 * w.b.LockTTL)
		held(t, w.locker("two"), "k")
		if w.isLost(lease) {
			t.Fatal("lost")
		}
		release(t, lease)
		w.set(none)
		time.Sleep(2 * w.b.LockTTL)
		if n := w.set(none); n != 0 || w.isLost(lease) {
			t.Fatalf("after the release: %d renewals", n)
		}
	})
}

func TestAnAcquireWhoseReplyWasLostGivesTheLockBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(replyLost)
		_, err := w.lock.Acquire(t.Context(), "k")
		w.wantUnavailable(err)
		if !w.exists() {
			t.Fatal("the lock was not taken: the test proves nothing")
		}
		w.set(none)
		time.Sleep(w.b.LockRenew)
		synctest.Wait()
		if w.exists() {
			t.Fatal("the lock is still there")
		}
	})
}

func TestGivingBackLeavesAnothersLock(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		acquire(t, w.locker("two"), "k")
		w.set(replyLost)
		_, err := w.lock.Acquire(t.Context(), "k")
		w.wantUnavailable(err)
		w.set(none)
		time.Sleep(w.b.LockTTL)
		held(t, w.lock, "k")
	})
}

func TestACallersDeadlineIsNoWordOnRedis(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(timesOut)
		ctx := unaware{t.Context(), time.Now().Add(time.Millisecond)}
		_, err := w.lock.Acquire(ctx, "k")
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, locks.ErrUnavailable) {
			t.Fatalf("want the context's error, got %v", err)
		}
		if !w.lock.Available() {
			t.Fatal("not available")
		}
	})
}

// unaware is a context in the moment after its deadline, before it ends.
type unaware struct {
	context.Context
	at time.Time
}

func (u unaware) Deadline() (time.Time, bool) { return u.at, true }

func TestAnAcquireThatIsCutGivesTheLockBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(hangs)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, func() { w.set(none); cancel() })
		if _, err := w.lock.Acquire(ctx, "k"); !errors.Is(err, context.Canceled) || errors.Is(err, locks.ErrUnavailable) {
			t.Fatalf("want ctx.Err(), got %v", err)
		}
		synctest.Wait()
		if w.exists() {
			t.Fatal("the lock is still there")
		}
		if !w.lock.Available() {
			t.Fatal("a caller that hung up is no word on Redis")
		}
		if _, err := w.lock.Acquire(ctx, "k"); !errors.Is(err, context.Canceled) || w.exists() {
			t.Fatalf("with a context that has ended: %v", err)
		}
	})
}

func TestAFailedRenewalIsTriedAgain(t *testing.T) {
	for name, f := range map[string]fault{"not sent": notSent, "reply lost": replyLost, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				lease := acquire(t, w.lock, "k")
				time.Sleep(5 * w.b.LockTTL)
				w.set(f)
				time.Sleep(w.b.LockTTL*6/10 - time.Millisecond) // a renewal that hung is tried again then
				if w.lock.Available() {
					t.Fatal("failed renewals open the circuit")
				}
				w.set(none)
				time.Sleep(w.b.LockTTL)
				if w.isLost(lease) || !w.exists() || !w.lock.Available() {
					t.Fatal("lost although Redis came back within the TTL")
				}
				release(t, lease)
			})
		})
	}
}

func TestLostWhenTheTTLHasPassedAndNotBefore(t *testing.T) {
	for name, f := range map[string]fault{"not sent": notSent, "times out": timesOut} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				lease := acquire(t, w.lock, "k")
				w.set(f)
				time.Sleep(w.b.LockTTL - time.Millisecond)
				if w.isLost(lease) {
					t.Fatal("lost before the TTL has passed")
				}
				time.Sleep(time.Millisecond)
				if !w.isLost(lease) {
					t.Fatal("not lost though the TTL has passed")
				}
				w.set(none)
				time.Sleep(w.b.LockRenew)
				acquire(t, w.lock, "k") // stale after its owner lost touch
				release(t, lease)
				held(t, w.lock, "k") // the late release did not touch the newer lock
			})
		})
	}
}

func TestALostLeaseIsNotRenewedBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		w.server.FlushAll()
		time.Sleep(w.b.LockRenew)
		if !w.isLost(lease) || w.exists() {
			t.Fatal("the vanished lock is not lost")
		}
		release(t, lease)
	})
}

func TestAReleaseWhoseReplyWasLostMayBeRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		w.set(replyLost)
		w.wantUnavailable(lease.Release(t.Context()))
		w.set(none)
		time.Sleep(w.b.LockRenew)
		release(t, lease)
	})
}

func TestAReleaseThatWasNotSentIsTriedInTheBackground(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		w.set(notSent)
		w.wantUnavailable(lease.Release(t.Context()))
		if !w.exists() {
			t.Fatal("it was sent: the test proves nothing")
		}
		w.set(none)
		time.Sleep(w.b.LockRenew)
		synctest.Wait()
		if w.exists() {
			t.Fatal("the lock is still there")
		}
	})
}

func TestAReleaseWithRedisAwayDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		w.set(hangs)
		_, err := w.lock.Acquire(t.Context(), "k2")
		w.wantUnavailable(err)
		began := time.Now()
		w.wantUnavailable(lease.Release(t.Context()))
		if cost := time.Since(began); cost != 0 {
			t.Fatalf("the release took %v", cost)
		}
	})
}

func TestOneCallerPerIntervalAsksARedisThatIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(hangs)
		began := time.Now()
		_, err := w.lock.Acquire(t.Context(), "k")
		w.wantUnavailable(err)
		if cost := time.Since(began); cost > w.b.LockRenew/2 {
			t.Fatalf("finding out took %v", cost)
		}
		w.set(notSent)
		for range 3 {
			for range 1000 {
				_, err := w.lock.Acquire(t.Context(), "k2")
				w.wantUnavailable(err)
			}
			time.Sleep(w.b.LockRenew)
		}
		if since := time.Since(began) - w.b.LockRenew/2; since != 3*w.b.LockRenew {
			t.Fatalf("the others waited: %v", since)
		}
		if w.lock.Available() {
			t.Fatal("available")
		}
		w.set(none)
		time.Sleep(w.b.LockTTL) // background tries to give back have ended
		acquire(t, w.lock, "k3")
		if !w.lock.Available() {
			t.Fatal("not available again")
		}
		if got := w.log.String(); got != "lock server is not available|lock server is available again" {
			t.Fatalf("log: %s", got)
		}
	})
}

func TestOneOfManyCallersTriesPerInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(notSent)
		_, err := w.lock.Acquire(t.Context(), "k")
		w.wantUnavailable(err)
		time.Sleep(w.b.LockTTL + w.b.LockRenew) // giving that one back has ended
		w.set(hangs)
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				_, err := w.lock.Acquire(t.Context(), "k")
				w.wantUnavailable(err)
			})
		}
		synctest.Wait()
		if n := w.underWay(); n != 1 {
			t.Errorf("%d callers ask a Redis that is away", n)
		}
		callers.Wait()
	})
}

// Those who come while Redis is asked are asked for together; whoever did not wait
// so long is left out, for nobody would give the lock back.
func TestCallersOfTheSameTimeShareAnExchange(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release(t, acquire(t, w.lock, "k")) // Redis has the scripts
		ctx, giveUp := context.WithCancel(t.Context())
		failures := make(chan error, 22)
		take := func(ctx context.Context, key string) {
			_, err := w.lock.Acquire(ctx, key)
			failures <- err
		}
		w.set(slow)
		go take(t.Context(), "first")
		synctest.Wait()
		go take(ctx, "k")
		for n := range 20 {
			go take(t.Context(), fmt.Sprint("k", n))
		}
		synctest.Wait()
		giveUp()
		if err := <-failures; !errors.Is(err, context.Canceled) {
			t.Fatalf("the one that gave up: %v", err)
		}
		for range 21 {
			if err := <-failures; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n := w.set(none); n != 4 { // the last two look for the lock that was given up
			t.Errorf("%d exchanges for 21 locks", n)
		}
		if w.exists() {
			t.Error("the lock that nobody waited for was taken")
		}
		held(t, w.locker("two"), "k19")
	})
}

// The one whose call comes first in an exchange has the least time. It has the lock or
// not, as it falls; the others have theirs.
func TestNobodysHasteEndsTheExchangeOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release(t, acquire(t, w.lock, "k")) // Redis has the scripts
		hasty, cancel := context.WithTimeout(t.Context(), 1500*time.Microsecond)
		defer cancel()
		failures := make(chan error, 4)
		take := func(ctx context.Context, key string) {
			go func() {
				_, err := w.lock.Acquire(ctx, key)
				failures <- err
			}()
			synctest.Wait()
		}
		w.set(slow)
		take(t.Context(), "first") // a millisecond, in which the others gather
		take(hasty, "k")
		take(t.Context(), "k1")
		take(t.Context(), "k2")
		for range 4 {
			if err := <-failures; err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		w.set(none)
		synctest.Wait()
		held(t, w.locker("two"), "k1")
		held(t, w.locker("three"), "k2")
	})
}

func TestAfterCloseNothingRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		lease := acquire(t, w.lock, "k")
		w.set(hangs)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = w.lock.Acquire(t.Context(), "k2") }()
		synctest.Wait()
		time.Sleep(w.b.LockRenew / 2) // now that one is being given back
		<-done
		w.lock.Close()
		if n := w.underWay(); n != 0 {
			t.Fatalf("%d exchanges under way after Close", n)
		}
		w.lock.Close()
		w.set(none)
		time.Sleep(w.b.LockRenew)
		_, err := w.lock.Acquire(t.Context(), "k3")
		w.wantUnavailable(err)
		if w.isLost(lease) {
			t.Fatal("a lease that Close left alone is reported lost")
		}
		release(t, lease)
		if w.exists() {
			t.Fatal("the release after Close did nothing")
		}
	})
}
