package worker

import (
	"context"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/limits"
	"github.com/regrant/regrant/providers"
)

// timers and outputs let handlers use the bus without importing it.
type timers struct{ bus *bus.Bus }

func (t timers) Arm(ctx context.Context, a events.Address, number uint64, at time.Time) error {
	return t.bus.Arm(ctx, bus.Timer{Address: a, Number: number, At: at})
}

// Ahead implements handlers.Foresight.
func (t timers) Ahead(ctx context.Context, a events.Address) handlers.Timers {
	seen, err := t.bus.Foresee(ctx, a)
	if err != nil {
		return nil // arming reads it again, and says what is wrong
	}
	return armOver{bus: t.bus, seen: seen}
}

// armOver arms one link's timer over what was read before.
type armOver struct {
	bus  *bus.Bus
	seen bus.Foreseen
}

func (t armOver) Arm(ctx context.Context, a events.Address, number uint64, at time.Time) error {
	return t.bus.ArmOver(ctx, bus.Timer{Address: a, Number: number, At: at}, t.seen)
}

type outputs struct{ bus *bus.Bus }

func (o outputs) Publish(ctx context.Context, m events.Message) error {
	return o.bus.PublishOutput(ctx, m)
}

func (o outputs) Last(ctx context.Context, a events.Address) (uint64, error) {
	return o.bus.LastOutput(ctx, a)
}

// limited lets handlers name an app, and knows its rate.
type limited struct {
	limiter *limits.Limiter
	rates   map[string]limits.Rate
	now     func() time.Time
}

// unasked is how long to stay away where the provider asked for it and did not say
// for how long.
const unasked = time.Second

func (l limited) Take(ctx context.Context, app string) time.Duration {
	wait, err := l.limiter.Take(ctx, app, l.rates[app])
	if err != nil {
		return unasked // ctx has ended: nothing is to be begun
	}
	return wait
}

func (l limited) Resting(app string) time.Duration { return l.limiter.Resting(app) }

func (l limited) Pause(ctx context.Context, app string, d time.Duration) {
	l.limiter.Pause(ctx, app, l.now().Add(max(d, unasked)))
}

// ratesOf are the published limits of the apps; those without are left out.
func ratesOf(c config.Config) map[string]limits.Rate {
	rates := map[string]limits.Rate{}
	for name, p := range c.Providers {
		if p.Rate.Limit > 0 {
			rates[p.AppOf(name)] = rateOf(p.Rate)
		}
	}
	return rates
}

// rateOf keeps to a limit in every window of its length: what may be made at once
// after a rest is taken off what is made evenly.
func rateOf(r providers.Rate) limits.Rate {
	burst := max(1, r.Limit/10)
	return limits.Rate{Count: max(1, r.Limit-burst), Per: r.Window, Burst: burst}
}
