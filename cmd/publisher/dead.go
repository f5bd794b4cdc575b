package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type deadCmd struct {
	List  deadListCmd  `cmd:"" help:"List dead letters, the oldest first."`
	Show  deadShowCmd  `cmd:"" help:"Show one dead letter, and whether what it stands for is still stored."`
	Retry deadRetryCmd `cmd:"" help:"Put the inputs that letters stand for before the workers once more."`
	Drop  deadDropCmd  `cmd:"" help:"Delete dead letters."`
}

// nameDue is the type of a letter that stands for a timer which fired.
const nameDue = "due"

// deadFilter chooses dead letters.
type deadFilter struct {
	Tenant   string `help:"Only of this tenant."`
	Provider string `help:"Only of this provider."`
	Link     string `help:"Only of this link."`
	Type     string `help:"Only of events of this name, such as reconsent-completed, or due for timers."`
	Reason   string `help:"Only those given up for this reason, such as unknown_state."`
	Since    string `help:"Only those given up since: an RFC 3339 time, or how long ago, such as 1h." placeholder:"TIME"`
	Until    string `help:"Only those given up before: an RFC 3339 time, or how long ago." placeholder:"TIME"`
}

// words are the filter's parts that choose something, by flag.
func (f deadFilter) words() map[string]string {
	set := map[string]string{}
	for flag, value := range map[string]string{
		"tenant": f.Tenant, "provider": f.Provider, "link": f.Link, "type": f.Type, "reason": f.Reason, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			set[flag] = value
		}
	}
	return set
}

// chooser says of a letter whether it is meant.
func (f deadFilter) chooser(names bus.Names, now time.Time) (func(bus.Letter) bool, error) {
	if f.Type != "" && f.Type != nameDue && !events.Name(f.Type).Known() {
		return nil, fmt.Errorf("%w: --type: %q is not an event", cli.ErrBadInput, f.Type)
	}
	since, err := cli.Moment("since", f.Since, now)
	if err != nil {
		return nil, err
	}
	until, err := cli.Moment("until", f.Until, now)
	if err != nil {
		return nil, err
	}
	return func(l bus.Letter) bool {
		a, name := names.About(l.DeadLetter)
		return is(f.Tenant, a.Tenant) && is(f.Provider, a.Provider) && is(f.Link, a.Link) && is(f.Type, string(name)) && is(f.Reason, l.Reason) &&
			!l.Last.Before(since) && (until.IsZero() || l.Last.Before(until))
	}, nil
}

// is compares where something is asked for.
func is(want, got string) bool { return want == "" || want == got }

// letters reads what the filter chooses.
func (f deadFilter) letters(ctx context.Context, b *bus.Bus) (all []bus.Letter, err error) {
	choose, err := f.chooser(b.Names(), time.Now())
	if err != nil {
		return nil, err
	}
	err = b.Letters(ctx, func(l bus.Letter) error {
		if choose(l) {
			all = append(all, l)
		}
		return nil
	})
	return all, err
}

// deadChoice chooses the letters that something is done to: those named, or by a filter.
type deadChoice struct {
	Number     []uint64 `arg:"" optional:"" help:"Letters, by the numbers that list shows."`
	deadFilter `embed:""`
}

// Validate is called by the command line.
func (d *deadChoice) Validate() error {
	switch filtered := len(d.words()) > 0; {
	case filtered && len(d.Number) > 0:
		return fmt.Errorf("name letters by number or by a filter, not both")
	case !filtered && len(d.Number) == 0:
		return fmt.Errorf("name letters by number, or by a filter such as --reason or --since")
	}
	return nil
}

func (d *deadChoice) letters(ctx context.Context, b *bus.Bus) (all []bus.Letter, err error) {
	if len(d.Number) == 0 {
		return d.deadFilter.letters(ctx, b)
	}
	seen := map[uint64]bool{}
	for _, number := range d.Number {
		if seen[number] {
			continue
		}
		l, err := b.Letter(ctx, number)
		if err != nil {
			return nil, fmt.Errorf("%w; `publisher dead list` shows what there is", err)
		}
		seen[number], all = true, append(all, l)
	}
	return all, nil
}

// entry tells the audit what is about to be done to how many letters, and how they
// were chosen.
func (d *deadChoice) entry(action audit.Action, letters int) audit.Entry {
	details := d.words()
	if len(d.Number) > 0 {
		details["numbers"] = shortened(d.Number)
	}
	details["letters"] = fmt.Sprint(letters)
	return audit.Entry{Action: action, Details: details}
}

// shortened lists the first of many numbers.
func shortened(numbers []uint64) string {
	const most = 100
	words := strings.Trim(fmt.Sprint(numbers[:min(len(numbers), most)]), "[]")
	if more := len(numbers) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// linkEntries writes one entry for each link whose letters something is done to,
// before the first of them.
type linkEntries struct {
	run     audit.Run
	action  audit.Action
	letters map[events.Address]int // of links that have no entry yet
}

func newLinkEntries(run audit.Run, action audit.Action, names bus.Names, all []bus.Letter) linkEntries {
	count := map[events.Address]int{}
	for _, l := range all {
		a, _ := names.About(l.DeadLetter)
		count[a]++
	}
	delete(count, events.Address{})
	return linkEntries{run, action, count}
}

func (e linkEntries) before(ctx context.Context, a events.Address) error {
	n := e.letters[a]
	if n == 0 {
		return nil
	}
	if err := e.run.Before(ctx, audit.Entry{Action: e.action, Details: map[string]string{"letters": fmt.Sprint(n)}}.About(a)); err != nil {
		return err
	}
	delete(e.letters, a)
	return nil
}

// about names a letter's link for people; "?" where its subject names none.
func about(names bus.Names, l bus.DeadLetter) (link, kind string) {
	a, name := names.About(l)
	if a == (events.Address{}) {
		return "?", "?"
	}
	return a.String(), cmp.Or(string(name), "?")
}
