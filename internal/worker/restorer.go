package worker

import (
	"time"

	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links/kvstore"
	"github.com/regrant/regrant/seal"
)

// Restorer sees to the links of a cell whose store was restored from a copy. As with an
// import, the servers have production's time.
func Restorer(c config.Config, b *bus.Bus, store *kvstore.Store, keys *seal.Keys, at time.Time, pace time.Duration) *handlers.Restorer {
	times := c.Budget()
	times.Recovery = max(times.Recovery, budget.Of(budget.Default).Recovery)
	return &handlers.Restorer{
		At: at, Profiles: c.Providers, Store: store, Scanner: store, Keys: keys, Traces: b, Subjects: b.Names().Subjects(),
		Timers: timers{b}, Outputs: outputs{b}, Budget: times, Clock: time.Now, Pace: pace,
	}
}
