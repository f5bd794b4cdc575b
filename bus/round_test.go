package bus_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/inbox"
)

// Thousands of messages that can all only wait are not passed round as fast as the
// machine allows: others have work. One that can be begun is not kept from it.
func TestAQueueThatOnlyGoesRoundIsPulledInPeace(t *testing.T) {
	t.Parallel()
	slow := budget.Of(10 * budget.Default) // rests are a second
	b := connect(t, bus.Config{URL: newServer(t).run.URL(), Budget: slow})
	provision(t, b, slow)
	const slots, queue = 32, 2000
	flood(t, b, queue)
	var seen atomic.Int64
	third := make(chan struct{})
	began := time.Now()
	consume(t, b, slots, handler{peek: func(*inbox.Message) (inbox.Verdict, bool) {
		if seen.Add(1) == 3*slots {
			close(third)
		}
		return inbox.Later(time.Hour), true
	}})
	next(t, "the third round", third)
	if took := time.Since(began); took < slow.LockTTL/100 {
		t.Errorf("three rounds of %d slots within %s: nothing rested", slots, took)
	}
}

// One message of a batch that can be begun is enough to go on at full speed.
func TestWhatCanBeBegunIsNotSlowedByWhatGoesRound(t *testing.T) {
	t.Parallel()
	slow := budget.Of(1000 * budget.Default) // a rest would outlast the test
	b := connect(t, bus.Config{URL: newServer(t).run.URL(), Budget: slow})
	provision(t, b, slow)
	const slots, queue = 32, 640
	flood(t, b, queue)
	var done atomic.Int64
	all := make(chan struct{})
	consume(t, b, slots, handler{peek: func(m *inbox.Message) (inbox.Verdict, bool) {
		if m.Sequence%2 == 0 {
			return inbox.Later(time.Hour), true
		}
		if done.Add(1) == queue/2 {
			close(all)
		}
		return inbox.Done(), true
	}})
	next(t, "every other message", all)
}
