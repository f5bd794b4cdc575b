package worker

import (
	"context"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
)

// timers and outputs let handlers use the bus without importing it.
type timers struct{ bus *bus.Bus }

func (t timers) Arm(ctx context.Context, a events.Address, number uint64, at time.Time) error {
	return t.bus.Arm(ctx, bus.Timer{Address: a, Number: number, At: at})
}

type outputs struct{ bus *bus.Bus }

func (o outputs) Publish(ctx context.Context, m events.Message) error {
	return o.bus.PublishOutput(ctx, m)
}

func (o outputs) Last(ctx context.Context, a events.Address) (uint64, error) {
	return o.bus.LastOutput(ctx, a)
}
