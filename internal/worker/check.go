package worker

import (
	"fmt"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
)

// Check finds what is wrong with a configuration beyond config.Validate, before
// anything is made or started: addresses that cannot be read, secret files that
// are not there. It reaches no server.
func Check(c config.Config) error {
	if err := (bus.Names{Prefix: c.NATS.Prefix}).Validate(); err != nil {
		return fmt.Errorf("%w: %w", config.ErrConfig, err)
	}
	if c.Redis.URL != "" {
		client, err := locks.Dial(c.Redis.URL, c.Budget())
		if err != nil {
			return fmt.Errorf("%w: redis.url: %w", config.ErrConfig, err)
		}
		_ = client.Close() // it never connected
	}
	for _, name := range c.ProviderNames() {
		p, err := providers.New(name, c.Providers[name], providers.Options{Budget: c.Budget(), BaseDir: c.Dir})
		if err != nil {
			return fmt.Errorf("%w: %w", config.ErrConfig, err)
		}
		p.Close()
	}
	return nil
}
