package load

import (
	"context"
	"time"
)

// step is one command of an operator. What it needs to find first may be away: then it
// fails, and is given again in the next round.
type step struct {
	program string
	args    []string
}

// operate rotates the keys, seals everything anew under the next, and replays a piece
// of history, over and over.
func (l *Load) operate(ctx context.Context) {
	round := []step{
		{"worker", []string{"keys", "rotate"}},
		{"worker", []string{"keys", "rotate", "--promote"}},
		{"worker", []string{"keys", "reseal"}},
		{"publisher", []string{"replay", "--since", "1m", "--type", "token-expired", "--rate", "100"}},
	}
	for i := 0; ctx.Err() == nil; i++ {
		pause(ctx, l.Settle)
		s := round[i%len(round)]
		if ctx.Err() != nil {
			return
		}
		name := s.program + " " + s.args[0]
		if err := l.Commands(ctx, s.program, s.args...); err != nil {
			l.count(name+" that failed", 1)
			continue
		}
		l.count(name, 1)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
