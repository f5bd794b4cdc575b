package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/cli"
)

type deadShowCmd struct {
	Number  uint64 `arg:"" help:"The letter's number, as list shows it."`
	Payload bool   `help:"Print the event too, without codes, states and what else may be secret."`
}

// deadShown is a letter, and what is known of the message that it stands for.
type deadShown struct {
	deadRow
	Stored bool `json:"stored"`
	// Payload is what may be printed of the event.
	Payload *shownEvent `json:"payload,omitempty"`
	// Next is what an operator may do.
	Next string `json:"next"`
}

func (d *deadShowCmd) Run(ctx context.Context, c *cli.Common) error {
	return operate(ctx, c, func(b *bus.Bus) error {
		l, err := b.Letter(ctx, d.Number)
		if err != nil {
			return fmt.Errorf("%w; `publisher dead list` shows what there is", err)
		}
		m, err := b.Original(ctx, l.DeadLetter)
		if err != nil && !errors.Is(err, bus.ErrAgedOut) {
			return err
		}
		shown := d.shown(b.Names(), l, m)
		if c.JSON {
			return c.Print(shown)
		}
		return shown.write(c, b.Names())
	})
}

// shown is a letter for printing; m is nil where the original has aged out.
func (d *deadShowCmd) shown(names bus.Names, l bus.Letter, m *inbox.Message) deadShown {
	a, name := names.About(l.DeadLetter)
	s := deadShown{deadRow: deadRow{l, a, name}, Stored: m != nil}
	if m != nil && d.Payload {
		s.Payload = showEvent(m)
	}
	drop := fmt.Sprintf("`publisher dead drop %d` deletes the letter", l.Number)
	if why := unretryable(names, l); why != "" {
		s.Next = why + "; " + drop
	} else if m == nil {
		s.Next = "the event has aged out and cannot be retried; " + drop
	} else {
		s.Next = fmt.Sprintf("`publisher dead retry %d` puts it before the workers once more; %s", l.Number, drop)
	}
	return s
}

func (s deadShown) write(c *cli.Common, names bus.Names) error {
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	link, kind := about(names, s.DeadLetter)
	fmt.Fprintf(w, "letter\t%d\nevent\t%s of %s\nreason\t%s\nfield\t%s\n", s.Number, kind, link, s.Reason, cmp.Or(s.Field, "-"))
	fmt.Fprintf(w, "deliveries\t%d\nfirst\t%s\nlast\t%s\ngiven up by\t%s\n", s.Deliveries, s.First.UTC().Format(time.RFC3339Nano), s.Last.UTC().Format(time.RFC3339Nano), s.Worker)
	stored := "stored still"
	if !s.Stored {
		stored = "aged out"
	}
	fmt.Fprintf(w, "original\tnumber %d of %s, %s\nnext\t%s\n", s.Sequence, s.Stream, stored, s.Next)
	if err := w.Flush(); err != nil || s.Payload == nil {
		return err
	}
	return c.Print(s.Payload)
}
