package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/providers/providertest"
)

// Services is how many services use each link, and so how many hold a 401 for
// it at the same moment.
const Services = 20

// AnswerTime is how long the simulated providers withhold an answer. Real ones
// take a tenth of a second or more; a provider that answers at once would hide
// the race that the demo is about.
const AnswerTime = 100 * time.Millisecond

// Options say how large the demo is.
type Options struct {
	// Reports is how many 401s there are in all, Links how many links they are
	// about. Every link gets a report at least.
	Reports, Links int
	// Workers is how many workers share the work.
	Workers int
	// Providers are simulated systems (Systems). Links are shared out evenly.
	Providers []string
	// LockTTL is the number behind all protocol times; zero is production's.
	LockTTL time.Duration
	// Limit bounds the wait for the last report to be settled; zero is a minute.
	Limit time.Duration
	// Log receives what all parts log; nil discards it.
	Log *slog.Logger
	// Progress is told how far the demo is; nil: nobody is.
	Progress Progress
	// Ready, if set, is called between import and storm with the simulator that
	// Regrant talks to. Tests script faults there.
	Ready func(*providertest.Server)
}

// Systems lists the systems that can be simulated, sorted.
func Systems() []string { return providertest.Names() }

// Check says what is wrong with the options and how to mend it.
func (o Options) Check() error {
	for _, name := range o.Providers {
		if !slices.Contains(Systems(), name) {
			return fmt.Errorf("provider %q is not simulated; choose all or one of %s", name, strings.Join(Systems(), ", "))
		}
	}
	switch {
	case len(o.Providers) == 0:
		return fmt.Errorf("providers: none is named; choose all or one of %s", strings.Join(Systems(), ", "))
	case o.Workers < 1:
		return fmt.Errorf("workers: %d cannot do anything; one at least is needed", o.Workers)
	case o.Links < len(o.Providers):
		return fmt.Errorf("links: %d are too few for %d providers; give each one at least, or choose one provider", o.Links, len(o.Providers))
	case o.Reports < o.Links:
		return fmt.Errorf("reports: %d are too few for %d links; every link needs one at least", o.Reports, o.Links)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = silent{}
	}
	if o.Limit == 0 {
		o.Limit = time.Minute
	}
	return o
}

// Run runs both sides and returns what was measured. An error means that the
// demo itself failed or was interrupted; guarantees that did not hold are in the
// report. Nothing is left running or on disk either way.
func Run(ctx context.Context, o Options) (r Report, err error) {
	if err := o.Check(); err != nil {
		return Report{}, err
	}
	o = o.withDefaults()
	began := time.Now()
	dir, err := os.MkdirTemp("", "regrant-demo-")
	if err != nil {
		return Report{}, fmt.Errorf("%w; set TMPDIR to a directory that can be written", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r = Report{Reports: o.Reports, Links: o.Links, Workers: o.Workers, Services: Services, AnswerTime: milliseconds(AnswerTime)}
	if err := runRegrant(ctx, o, dir, &r); err != nil {
		return r, fmt.Errorf("demo with Regrant: %w", err)
	}
	if r.Naive, err = runNaive(ctx, o, dir); err != nil {
		return r, fmt.Errorf("demo without Regrant: %w", err)
	}
	r.Seconds = time.Since(began).Seconds()
	r.judge()
	return r, nil
}

// behaviours are those of the chosen systems, at the speed of a real network.
func (o Options) behaviours() (map[string]providertest.Behaviour, error) {
	all := map[string]providertest.Behaviour{}
	for _, name := range o.Providers {
		b, err := providertest.Named(name)
		if err != nil {
			return nil, err
		}
		b.Delay = AnswerTime
		all[name] = b
	}
	return all, nil
}

// share is the i-th of n parts of a total, as even as whole numbers allow.
func share(total, n, i int) int { return total*(i+1)/n - total*i/n }
