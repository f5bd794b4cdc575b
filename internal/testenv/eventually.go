package testenv

import (
	"testing"
	"time"
)

// pollEvery is the interval of Eventually.
const pollEvery = 5 * time.Millisecond

// Eventually waits until done is true, and fails the test with what was waited
// for when the timeout passes. It is for conditions that give no signal, in
// another process or server; choose timeouts that no machine is too slow for.
// Call it from the test's own goroutine.
func Eventually(t testing.TB, timeout time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !done() {
		select {
		case <-deadline.C:
			if !done() {
				t.Fatalf("not within %v: %s", timeout, what)
			}
			return
		case <-poll.C:
		}
	}
}
