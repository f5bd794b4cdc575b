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

// Importer makes links in a cell. It gives the servers production's time however
// short the protocol's is: nobody waits for an import.
func Importer(c config.Config, b *bus.Bus, store *kvstore.Store, keys *seal.Keys, clock func() time.Time) *handlers.Importer {
	times := c.Budget()
	times.Recovery = max(times.Recovery, budget.Of(budget.Default).Recovery)
	return &handlers.Importer{
		Source: Source(c.NATS.Prefix), Subjects: b.Names().Subjects(), Tenants: c.Tenants, Profiles: c.Providers,
		Store: store, Index: store, Keys: keys, Timers: timers{b}, Outputs: outputs{b}, Budget: times, Clock: clock,
	}
}
