package doctor

import "time"

// clockFacts compare this host's clock with a server's.
type clockFacts struct {
	// Asked says that the server was reached at all.
	Asked bool
	// Offset is how far this host is ahead, give or take Within.
	Offset, Within time.Duration
	Err            error
}

// lookClock takes the middle of the round trip for the moment of the answer.
func lookClock(now func() time.Time, server func() (time.Time, error)) clockFacts {
	before := now()
	theirs, err := server()
	trip := now().Sub(before)
	middle := before.Add(trip / 2)
	return clockFacts{Asked: true, Offset: middle.Sub(theirs), Within: trip / 2, Err: err}
}
