package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type deadRetryCmd struct {
	deadChoice `embed:""`
}

// The outcomes of a letter that is to be retried. Of all but the first it stays.
const (
	outcomeRetried  = "retried"
	outcomeAgedOut  = "aged_out"
	outcomeRefused  = "refused_again"
	outcomeNoInput  = "not_an_input"
	outcomeUnserved = "provider_not_served"
)

// retried is what became of one letter.
type retried struct {
	Number  uint64 `json:"number"`
	Link    string `json:"link"`
	Outcome string `json:"outcome"`
	// Sequence is the new input's in the stream of inputs.
	Sequence uint64 `json:"sequence,omitzero"`
	Why      string `json:"why,omitempty"`
}

func (d *deadRetryCmd) Run(ctx context.Context, c *cli.Common) error {
	return operate(ctx, c, func(b *bus.Bus) error {
		all, err := d.letters(ctx, b)
		if err != nil {
			return err
		}
		run := runOf(c, b)
		if len(all) > 0 {
			if err := run.Before(ctx, d.entry(audit.DeadRetried, len(all))); err != nil {
				return err
			}
		}
		r := retrier{bus: b, run: run, links: newLinkEntries(run, audit.DeadRetried, b.Names(), all)}
		return retryAll(ctx, c, r, all)
	})
}

// retryAll goes through the letters and says what became of them.
func retryAll(ctx context.Context, c *cli.Common, r retrier, all []bus.Letter) error {
	bar := c.Progress("retry", len(all))
	done, stay := 0, 0
	tell := func(came retried) error {
		if came.Outcome == outcomeRetried {
			done++
		} else if stay++; !c.JSON {
			fmt.Fprintf(c.Err, "letter %d of %s stays: %s\n", came.Number, came.Link, came.Why)
		}
		if c.JSON {
			return c.Print(came)
		}
		return nil
	}
	err := eachLetter(ctx, bar, all, func(l bus.Letter) error {
		came, err := r.retry(ctx, l)
		if err != nil {
			return fmt.Errorf("letter %d: %w", l.Number, err)
		}
		return tell(came)
	})
	bar.End()
	if !c.JSON {
		fmt.Fprintf(c.Out, "retried %d, stay %d\n", done, stay)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w; %d of %d letters were looked at: run this again for the others", err, done+stay, len(all))
	case stay > 0:
		return fmt.Errorf("%d of %d letters stay: `publisher dead show NUMBER` says what can be done about one", stay, len(all))
	}
	return nil
}

// eachLetter stops between two letters where ctx ends: what is begun with one is finished.
func eachLetter(ctx context.Context, bar *cli.Progress, all []bus.Letter, do func(bus.Letter) error) error {
	for _, l := range all {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		if err := do(l); err != nil {
			return err
		}
		bar.Step()
	}
	return nil
}

// retrier puts the inputs of letters before the workers once more.
type retrier struct {
	bus   *bus.Bus
	run   audit.Run
	links linkEntries
}

// retry publishes a letter's input again, and deletes the letter once that is stored.
// An error is about us; what is wrong with the letter is its outcome.
func (r retrier) retry(ctx context.Context, l bus.Letter) (came retried, err error) {
	names := r.bus.Names()
	came = retried{Number: l.Number}
	came.Link, _ = about(names, l.DeadLetter)
	if came.Why = unretryable(names, l); came.Why != "" {
		came.Outcome = outcomeNoInput
		return came, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.run.Patience)
	defer cancel()
	m, err := r.replayed(ctx, l)
	if err == nil {
		came.Sequence, err = r.again(ctx, l, m)
	}
	invalid := (*events.Invalid)(nil)
	switch {
	case errors.Is(err, bus.ErrAgedOut):
		came.Outcome, came.Why = outcomeAgedOut, "its event has aged out"
	case errors.Is(err, bus.ErrUnknownProvider):
		came.Outcome, came.Why = outcomeUnserved, err.Error()
	case errors.As(err, &invalid):
		came.Outcome, came.Why = outcomeRefused, fmt.Sprintf("the workers would refuse it again: %s in %s", invalid.Reason, invalid.Field)
	default:
		came.Outcome = outcomeRetried
		return came, err
	}
	return came, nil
}

// replayed is the input that a letter stands for, under the id of this run.
func (r retrier) replayed(ctx context.Context, l bus.Letter) (events.Message, error) {
	m, err := r.bus.Original(ctx, l.DeadLetter)
	if err != nil {
		return events.Message{}, err
	}
	return r.bus.Names().Subjects().Replay(events.Original{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Sequence: m.Sequence, StoredAt: m.StoredAt,
	}, r.run.ID)
}

// again does it: entry, input, and only then the letter's end.
func (r retrier) again(ctx context.Context, l bus.Letter, m events.Message) (sequence uint64, err error) {
	a, _ := r.bus.Names().About(l.DeadLetter)
	if err := r.links.before(ctx, a); err != nil {
		return 0, err
	}
	if sequence, err = r.bus.StoreInput(ctx, m); err != nil {
		return 0, err
	}
	if err := r.bus.DropLetter(ctx, l.Number); err != nil {
		return 0, fmt.Errorf("its input is retried as number %d, and the letter is still there: %w", sequence, err)
	}
	return sequence, nil
}

// unretryable says why what a letter stands for cannot be put before the workers; empty
// where it can.
func unretryable(names bus.Names, l bus.Letter) string {
	switch l.Stream {
	case names.In():
		return ""
	case names.Out():
		return fmt.Sprintf("it is an event that the subscription %s did not handle, and publishing it again would send it to every subscriber: "+
			"`publisher replay --seq %d --to SUBJECT` sends it to one", l.Worker, l.Sequence)
	default:
		return "it is a timer: the workers find what is overdue by themselves, and `publisher token-expired` is sooner"
	}
}
