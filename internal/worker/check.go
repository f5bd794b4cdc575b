package worker

import (
	"fmt"
	"net"
	"strconv"

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
	if err := checkAddresses(c); err != nil {
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

// checkAddresses looks at what will be listened on.
func checkAddresses(c config.Config) error {
	for _, a := range []struct{ field, addr string }{
		{"http_addr", c.HTTPAddr}, {"nats.embedded", c.NATS.Embedded}, {"redis.embedded", c.Redis.Embedded},
	} {
		if a.addr == "" {
			continue
		}
		_, port, err := net.SplitHostPort(a.addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("%s: %q is no address; write host:port, port 0 for any", a.field, a.addr)
		}
	}
	return nil
}
