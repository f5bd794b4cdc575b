package handlers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/regrant/regrant/events"
)

// seers are Timers whose reading takes until it is let go.
type seers struct {
	Timers
	read chan Timers
}

func (s seers) Ahead(ctx context.Context, _ events.Address) Timers {
	select {
	case t := <-s.read:
		return t
	case <-ctx.Done():
		return nil
	}
}

// plain are Timers without foresight; foreseen those that it returns.
type plain struct{ Timers }
type foreseen struct{ Timers }

func TestForesight(t *testing.T) {
	t.Parallel()
	fin := &finisher{Timers: plain{}}
	for name, c := range map[string]struct {
		timers Timers
		read   []Timers
		used   bool
	}{
		"read in time":      {seers{}, []Timers{foreseen{}}, true},
		"nothing read":      {seers{}, []Timers{nil}, false},
		"not read yet":      {seers{}, nil, false},
		"timers without it": {plain{}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Handlers{Config: Config{Timers: c.timers}}
				if s, ok := c.timers.(seers); ok {
					s.read = make(chan Timers, len(c.read)) // of the bubble
					h.Timers = s
					for _, timers := range c.read {
						s.read <- timers
					}
				}
				f := h.foresee(t.Context(), peekedLink)
				synctest.Wait()
				with := f.over(fin)
				f.end()
				if _, armsWithIt := with.Timers.(foreseen); armsWithIt != c.used {
					t.Fatalf("arms with %T", with.Timers)
				}
			})
		})
	}
	var none *foresight
	if none.over(fin) != fin {
		t.Fatal("an answer of another process has nothing that was read")
	}
}
