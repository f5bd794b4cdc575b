package nemesis

import (
	"context"
	"sync"
	"time"
)

// Act does an action and returns how it is taken back; nil: there is nothing to. The
// way back returns when the target is well again, or is given up on.
type Act func(Action) (undo func() error, err error)

// Done is an action that is over. Begin and End enclose all the harm.
type Done struct {
	Action
	Begin, End time.Time
	// Err is why it could not be done, or not be taken back.
	Err error
}

// Nemesis performs schedules.
type Nemesis struct {
	// Acts says how each kind is done; what is not there is left out.
	Acts map[Kind]Act
	// Tell is told of each action that is over, one at a time.
	Tell func(Done)

	mu     sync.Mutex
	turns  map[string]chan struct{} // by target: who holds its one element acts
	active int
}

// Run performs a schedule. When ctx ends, what is under way is taken back and what was
// still to come is left out. It returns when everything is.
func (n *Nemesis) Run(ctx context.Context, schedule []Action) {
	begin := time.Now()
	var all sync.WaitGroup
	defer all.Wait()
	for _, a := range schedule {
		if !sleep(ctx, time.Until(begin.Add(a.At))) {
			return
		}
		if act, ok := n.Acts[a.Kind]; ok {
			all.Go(func() { n.perform(ctx, a, act) })
		}
	}
}

// perform does one action, after the one before it on the same target.
func (n *Nemesis) perform(ctx context.Context, a Action, act Act) {
	turn := n.turn(a.Target)
	turn <- struct{}{}
	defer func() { <-turn }()
	if ctx.Err() != nil {
		return
	}
	n.count(1)
	defer n.count(-1)
	done := Done{Action: a, Begin: time.Now()}
	undo, err := act(a)
	if err == nil {
		sleep(ctx, a.For)
		if undo != nil {
			err = undo()
		}
	}
	done.End, done.Err = time.Now(), err
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Tell(done)
}

// Active is how much is being done now.
func (n *Nemesis) Active() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.active
}

func (n *Nemesis) count(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.active += by
}

func (n *Nemesis) turn(target string) chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.turns == nil {
		n.turns = map[string]chan struct{}{}
	}
	if n.turns[target] == nil {
		n.turns[target] = make(chan struct{}, 1)
	}
	return n.turns[target]
}

// sleep waits for d and says whether ctx still runs.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
