package handlers

import (
	"testing"
	"time"
)

func TestAScanRestsLongerThanItWorks(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct{ pace, took, want time.Duration }{
		{ms, 0, ms},                 // passed over
		{ms, ms / 20, ms},           // cheaper than the pace
		{ms, ms, 9 * ms},            // the servers are asked
		{ms, time.Minute, 100 * ms}, // a link was taken up, and its provider called
		{0, ms, 0},
	} {
		if got := (&Reconciler{Pace: c.pace}).rest(c.took); got != c.want {
			t.Errorf("pace %v, %v of work: rests %v, want %v", c.pace, c.took, got, c.want)
		}
	}
}
