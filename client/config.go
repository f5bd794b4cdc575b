package client

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/regrant/regrant/events"
)

// Config says which cell to use, as whom. Its zero value is a service of the tenant
// default at a NATS server on this host.
type Config struct {
	// URL of the NATS server, or several separated by commas. Empty means
	// nats.DefaultURL.
	URL string
	// Creds is the path of a NATS credentials file. Empty: none.
	Creds string
	// Prefix is the cell's nats.prefix. Empty means "regrant".
	Prefix string
	// Role chooses the prefix of reply subjects, which the credentials must allow:
	// _INBOX_<prefix>_<role>.> (a dot in the prefix becomes _). Empty means "service".
	Role string
	// JetStreamAPI is where this service's account has the cell's JetStream, for
	// Subscribe: "$JS.CELL.API" in docs/nats.conf. Empty means "$JS.API": services and
	// cell share an account.
	JetStreamAPI string

	// Tenant is the application that owns the links. Empty means "default".
	Tenant string
	// Name is this service's: the source of its reports (as //<name>), and what the
	// NATS server shows. Letters, digits and ".-_". Empty means "service".
	Name string

	// Wait bounds how long a caller waits for a token, be it for an answer or for a
	// next generation. The caller's context may end earlier. Zero means 10 s.
	Wait time.Duration
	// Margin is how long before its expiry a bearer that is used is reported as
	// expiring, so that its successor is there in time. A short-lived bearer is
	// reported in the last quarter of its life. Zero means 30 s; negative: never.
	Margin time.Duration
	// Links bounds the links whose bearers are kept. Beyond it, those least lately
	// asked for are asked for again. Zero means 10,000.
	Links int
	// PerLink listens to the live events of each link in use by itself. It is for
	// credentials that may see single links only. Left out, one subscription serves
	// all links of a provider, which costs the server less from a few links on.
	PerLink bool
	// Dead decides whether a 401 means that the bearer is dead. nil means RFC 6750:
	// it does, unless a Bearer challenge names an error other than invalid_token.
	// It must not read the body.
	Dead func(*http.Response) bool
	// Tracing carries W3C trace contexts and tells of spans; its zero value does neither.
	Tracing Tracing

	// Now is the clock by which expiry is judged. nil means time.Now.
	Now func() time.Time
	// Log receives what happens behind the caller's back. nil discards it.
	Log *slog.Logger
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c Config) defaults() Config {
	c.Role = cmp.Or(c.Role, "service")
	c.Name = cmp.Or(c.Name, "service")
	c.Tenant = cmp.Or(c.Tenant, "default")
	c.Wait = cmp.Or(c.Wait, 10*time.Second)
	c.Margin = cmp.Or(c.Margin, 30*time.Second)
	c.Links = cmp.Or(c.Links, 10_000)
	if c.Dead == nil {
		c.Dead = deadToken
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case !nameForm.MatchString(c.Name):
		return fmt.Errorf("client: Name %q is not letters, digits and \".-_\", 64 at most", c.Name)
	case !events.ValidProvider(c.Role):
		return fmt.Errorf("client: Role %q is not a name of [a-z0-9-]{1,32}", c.Role)
	case !events.ValidProvider(c.Tenant):
		return fmt.Errorf("client: Tenant %q is not a name of [a-z0-9-]{1,32}", c.Tenant)
	case c.Wait < 0 || c.Links < 0:
		return fmt.Errorf("client: Wait %v and Links %d must not be negative", c.Wait, c.Links)
	}
	return nil
}
