package handlers

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/budget"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/credentials"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/seal"
	"github.com/regrant/regrant/secret"
	"github.com/regrant/regrant/spool"
	"github.com/regrant/regrant/tracing"
)

// Provider is what a handler asks of a configured provider; *providers.Provider is one.
type Provider interface {
	Refresher
	Consenter
}

// Refresher keeps a grant alive.
type Refresher interface {
	Profile() providers.Profile
	Deadline() time.Duration
	DeadlineFor(g providers.Grant) time.Duration
	Refresh(ctx context.Context, r providers.Request) providers.Outcome
	Verify(ctx context.Context, a *providers.Answer, known providers.Identity) (providers.Verified, error)
	Bearer(a *providers.Answer) secret.Value
}

// Consenter obtains a grant and looks into what it is a grant of.
type Consenter interface {
	AuthorizeURL(r providers.AuthorizeRequest) (string, error)
	CheckIss(iss string) error
	CodeDeadline() time.Duration
	Exchange(ctx context.Context, r providers.CodeRequest) providers.Outcome
	Identify(ctx context.Context, a *providers.Answer, nonce string) (providers.Verified, error)
	Accounts(ctx context.Context, bearer secret.Value) ([]string, error)
	Customer(ctx context.Context, bearer secret.Value) (secret.Value, error)
	Revoke(ctx context.Context, token secret.Value, hint string) error
	RevokesTokensOnly() bool
}

// Sealer seals and opens what may not be read at rest; *seal.Keys is one.
type Sealer interface {
	Seal(b seal.Binding, plaintext []byte) ([]byte, error)
	Open(b seal.Binding, sealed []byte) ([]byte, error)
}

// Spool saves answers on the worker's own disk; *spool.Spool is one.
type Spool interface {
	Put(name string, data []byte) error
	Remove(name string) error
	Adopt() ([]spool.Entry, error)
	Release(name string)
}

// Timers arms a link's one timer. Arm returns nil only when a timer of this
// number or a newer one is known to be stored.
type Timers interface {
	Arm(ctx context.Context, a events.Address, number uint64, at time.Time) error
}

// Foresight is what Timers may have as well. Ahead reads what is armed for a link
// and returns Timers that arm this link, sooner than others where nobody else has
// armed it since; nil where nothing could be read.
type Foresight interface {
	Ahead(ctx context.Context, a events.Address) Timers
}

// Outputs publishes events. Publish returns nil only when the event is stored;
// Last returns the number of the link's last stored event, 0 if there is none.
type Outputs interface {
	Publish(ctx context.Context, m events.Message) error
	Last(ctx context.Context, a events.Address) (uint64, error)
}

// Config is all that the handlers of one worker need. Every field without a
// stated zero value is required.
type Config struct {
	// Worker names this process in attempts, locks and logs.
	Worker string
	// Source is the CloudEvents source of output events.
	Source    string
	Subjects  events.Subjects
	Tenants   []string
	Providers map[string]Provider
	Store     links.Store
	Index     links.Index
	Flows     consents.Store
	Keys      Keys
	Spool     Spool
	Locker    locks.Locker
	Timers    Timers
	Outputs   Outputs
	// Forward publishes an input: what the logout of a user asks of the user's other
	// links. nil: such a logout waits.
	Forward func(ctx context.Context, m events.Message) error
	// Apps knows which of our registrations work; nil: nothing is known against any.
	Apps *apps.Keeper
	// Spike counts dead grants; nil: each is believed.
	Spike *apps.Spike
	// Limits spreads requests; nil: they are made as they come.
	Limits Limiter
	// Credentials asks the owner of a user's session for what it has in memory, for one
	// presentation; credentials.ErrRefused where the session is over. nil: nobody is
	// asked, as if nobody answered.
	Credentials func(ctx context.Context, a events.Address, generation uint64) (credentials.Credential, error)
	Budget      budget.Budget
	// Audit is told what this worker does; nil: nobody is.
	Audit audit.Teller
	// Clock is this host's clock. StoreClock asks the store for its own; it may fail.
	Clock      func() time.Time
	StoreClock func(context.Context) (time.Time, error)
	Log        *slog.Logger
	// Tracer takes the spans; its zero value takes none.
	Tracer tracing.Tracer
	// Metrics may be nil.
	Metrics *Metrics
	// Random gives jitter in [0, 1); zero: math/rand.
	Random func() float64
	// Known bounds the memory of generations, in links; zero: 1,000,000.
	Known int
	// Probe may be nil.
	Probe Probe
}

// Handlers is the decision-free part of a worker. Its methods are safe for
// concurrent use; it starts no goroutine.
type Handlers struct {
	Config
	tenants  map[string]bool
	rules    map[string]links.Rules
	known    *known
	fin      *finisher
	flights  *flights
	sights   *sights
	lockout  *lockout
	debts    debts
	readings *readings
	readers  readers
}

// New checks the configuration and returns the handlers.
func New(cfg Config) (*Handlers, error) {
	if cfg.Store == nil || cfg.Index == nil || cfg.Flows == nil || cfg.Keys == nil || cfg.Spool == nil || cfg.Locker == nil || cfg.Timers == nil || cfg.Outputs == nil || cfg.StoreClock == nil || cfg.Log == nil {
		return nil, errors.New("handlers: configuration is incomplete")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Known == 0 {
		cfg.Known = 1_000_000
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	h := &Handlers{
		Config: cfg, tenants: map[string]bool{}, rules: map[string]links.Rules{},
		known: newKnown(cfg.Known), flights: newFlights(), sights: newSights(cfg.Budget.Patience), lockout: newLockout(), debts: newDebts(),
		readings: newReadings(), readers: readers{leave: make(chan struct{}), shown: cfg.Metrics.Readers},
	}
	h.fin = &finisher{Subjects: cfg.Subjects, Timers: cfg.Timers, Outputs: cfg.Outputs, Probe: cfg.Probe, Tracer: cfg.Tracer, known: h.known, Limit: cfg.Budget.Recovery}
	for _, t := range cfg.Tenants {
		h.tenants[t] = true
	}
	for name, p := range cfg.Providers {
		h.rules[name] = RulesOf(p.Profile(), p.Deadline(), cfg.Budget)
	}
	cfg.Metrics.zero(cfg.Providers)
	return h, nil
}

// RulesOf turns a profile into the facts on which links decides.
func RulesOf(p providers.Profile, deadline time.Duration, b budget.Budget) links.Rules {
	replay := links.Forbidden
	switch p.Replay.Kind {
	case providers.ReplaySafe:
		replay = links.Safe
	case providers.ReplayGrace:
		replay = links.Grace
	case providers.ReplayUntilSuccessorUsed:
		replay = links.UntilSuccessorUsed
	}
	grants := make([]links.GrantType, len(p.Grants))
	for i, g := range p.Grants {
		grants[i] = links.GrantType(g)
	}
	return links.Rules{
		Replay: replay, Window: p.Replay.Window, LastChance: p.LastChance, Deadline: deadline,
		MinInterval: p.MinInterval, RenewAt: p.RenewAt, RenewMargin: p.RenewMargin,
		KeepAlive: p.KeepAlive, PromptBefore: p.PromptBefore,
		RetryBase: b.LockTTL / 10, RetryMax: b.LockTTL * 30,
		PreviousStillValid: p.PreviousLives(), SingleActive: p.NewRefreshInvalidatesOldAccess,
		Grants: grants, FreshWindow: b.LockTTL * 60,
	}
}

func (h *Handlers) origin(tr events.Trace) links.Origin {
	return links.Origin{Source: h.Source, Trace: tr}
}

func (h *Handlers) logger(a events.Address) *slog.Logger {
	return h.Log.With("tenant", a.Tenant, "provider", a.Provider, "link", a.Link)
}
