package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/links"
)

// Config says how much is to be done.
type Config struct {
	Cell *fleet.Cell
	Seed uint64
	// Rate is how many reports a second are to be confirmed, all in all: what an outage
	// held up is made up for.
	Rate float64
	// Links is how many live links each provider is to have.
	Links int
	// ReportsOnly leaves out users, operators and poison: for a fleet that knows no more.
	ReportsOnly bool
	// Current replaces the records as what services know of the links; nil: the records.
	// It is called with a function that is told each change.
	Current func(ctx context.Context, changed func(links.Stored)) error
	// Commands run an operator's command; nil: there is no operator.
	Commands func(ctx context.Context, program string, args ...string) error
	// Settle is how long after a rotation of keys the workers have read them.
	Settle time.Duration
}

// Load is the work. It ends with the context of Run.
type Load struct {
	Config
	table *table

	mu     sync.Mutex
	counts map[string]int
	begin  time.Time
}

// New prepares the load and begins to follow the records; import links afterwards.
func New(ctx context.Context, c Config) (*Load, error) {
	l := &Load{Config: c, table: newTable(), counts: map[string]int{}}
	if c.Current == nil {
		c.Current = func(ctx context.Context, changed func(links.Stored)) error {
			return c.Cell.Store.Watch(ctx, events.Address{}, changed)
		}
	}
	return l, c.Current(ctx, l.table.see)
}

// Imported notes who logged in for imported links.
func (l *Load) Imported(made []fleet.Link) {
	for _, m := range made {
		l.table.login(m.Address, m.Sub)
	}
}

// Run makes work until ctx ends, and waits for what is on its way.
func (l *Load) Run(ctx context.Context) {
	l.begin = time.Now()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { l.report(ctx) })
	if l.ReportsOnly {
		return
	}
	all.Go(func() { l.visit(ctx) })
	all.Go(func() { l.poison(ctx) })
	if l.Commands != nil {
		all.Go(func() { l.operate(ctx) })
	}
}

// Counts are the inputs that were confirmed, by name, and what else was done.
func (l *Load) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for name, n := range l.counts {
		counts[name] = n
	}
	return counts
}

func (l *Load) count(what string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what] += n
}

// random is a source of one goroutine's own.
func (l *Load) random(who uint64) *rand.Rand { return rand.New(rand.NewPCG(l.Seed, who)) }

// insist bounds how long one input is tried to be published: longer than any outage.
const insist = 30 * time.Second

// send publishes an input until it is confirmed, and counts it.
func (l *Load) send(ctx context.Context, d events.Data, change func(*events.Message)) bool {
	e, err := events.NewInput("//torture/"+string(d.EventName()), ulid.Make().String(), time.Now(), events.Trace{}, d)
	if err != nil {
		l.count("unsendable", 1)
		return false
	}
	m, err := l.Cell.Bus.Names().Subjects().InputMessage(e)
	if err != nil {
		l.count("unsendable", 1)
		return false
	}
	if change != nil {
		change(&m)
	}
	return l.publish(ctx, string(d.EventName()), m)
}

func (l *Load) publish(ctx context.Context, name string, m events.Message) bool {
	// What was begun is finished: the run's end does not cut it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), insist)
	defer cancel()
	if err := l.Cell.Bus.PublishInput(ctx, m); err != nil {
		l.count("unconfirmed", 1)
		return false
	}
	l.count(name, 1)
	return true
}

// every calls do again and again until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	ticks := time.NewTicker(d)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			do()
		}
	}
}

// Summary is the counts in one line, the most telling first.
func (l *Load) Summary() string {
	n := l.Counts()
	return fmt.Sprintf("%d reports, %d reconsents, %d logouts, %d poison, %d unconfirmed",
		n[string(events.NameTokenExpired)], n[string(events.NameReconsentCompleted)], n[string(events.NameLogoutRequested)], n["poison"], n["unconfirmed"])
}
