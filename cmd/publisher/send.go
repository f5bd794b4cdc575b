package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/tracing"
)

// The roles under which this command connects.
const (
	roleReporter = "reporter"
	roleCallback = "callback"
	roleOperator = "operator"
)

// address checks names before anything is built from them; link may be empty.
func address(tenant, provider, link string) error {
	return events.Address{Tenant: tenant, Provider: provider, Link: cmp.Or(link, "new")}.Validate()
}

// traced is what every command that sends an input can be part of.
type traced struct {
	Traceparent string `help:"Trace that this belongs to (W3C Trace Context)." env:"TRACEPARENT" placeholder:"00-…"`
}

func (t traced) trace() (events.Trace, error) {
	if t.Traceparent != "" && !tracing.Valid(t.Traceparent) {
		return events.Trace{}, fmt.Errorf("%w: --traceparent (TRACEPARENT): is not one of W3C Trace Context: leave it out, or give 00-TRACE-SPAN-FLAGS", cli.ErrBadInput)
	}
	return events.Trace{Traceparent: t.Traceparent}, nil
}

// input is an event to send, and what to make of its outcome.
type input struct {
	role string
	traced
	data events.Data
	wait time.Duration
	// entry is told to the audit before anything is sent; nil: what is sent is no
	// operator's act.
	entry *audit.Entry
	// wanted is the reason of a consent-failed that is what was asked for.
	wanted string
	// retry says what to do after a failure, or when nothing came.
	retry string
}

// send publishes an input and, where asked to, waits for what comes of it.
func send(ctx context.Context, c *cli.Common, in input) error {
	return connected(ctx, c, in.role, in.traced, in.data, func(b *bus.Bus, m events.Message, id string) error {
		if in.entry != nil {
			run := runOf(c, b)
			run.ID = id // the workers name the event as their cause
			if err := run.Before(ctx, in.entry.About(events.AddressOf(in.data))); err != nil {
				return err
			}
		}
		if in.wait > 0 {
			return in.sendAndWait(ctx, c, b, m, id)
		}
		return publish(ctx, c, b, m, id, fmt.Sprintf("sent %s of %s", in.data.EventName(), events.AddressOf(in.data)))
	})
}

// connected makes an input's message, connects, and lets do send it.
func connected(ctx context.Context, c *cli.Common, role string, t traced, data events.Data, do func(b *bus.Bus, m events.Message, id string) error) (err error) {
	trace, err := t.trace()
	if err != nil {
		return err
	}
	e, err := events.NewInput(source, ulid.Make().String(), time.Now(), trace, data)
	if err != nil {
		return err
	}
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	b, err := c.Connect(ctx, cfg.Defaults(), role)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	m, err := b.Names().Subjects().InputMessage(e)
	if err != nil {
		return err
	}
	return do(b, m, e.ID())
}

// publish sends a message, and says so in those words.
func publish(ctx context.Context, c *cli.Common, b *bus.Bus, m events.Message, id, words string) error {
	if err := b.PublishInput(ctx, m); err != nil {
		return err
	}
	if c.JSON {
		return c.Print(map[string]string{"id": id, "subject": m.Subject})
	}
	_, err := fmt.Fprintln(c.Out, words)
	return err
}

func (in input) sendAndWait(ctx context.Context, c *cli.Common, b *bus.Bus, m events.Message, id string) error {
	ctx, cancel := context.WithTimeout(ctx, in.wait)
	defer cancel()
	came, err := await(ctx, b, m, id)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("nothing came of %s of %s within %s: see whether a worker runs; %s", in.data.EventName(), events.AddressOf(in.data), in.wait, in.retry)
	case err != nil:
		return err
	}
	if _, err := fmt.Fprintf(c.Out, "%s\n", came.text); err != nil {
		return err
	}
	return in.judge(came)
}

// judge says whether what came is a failure.
func (in input) judge(came outcome) error {
	about := events.AddressOf(in.data)
	switch {
	case came.letter != nil:
		return fmt.Errorf("%s of %s was refused: %s in %s (number %d of %s); %s", in.data.EventName(), about,
			came.letter.Reason, cmp.Or(came.letter.Field, "the event"), came.letter.Sequence, came.letter.Stream, in.retry)
	case came.name == events.NameConsentFailed && (in.wanted == "" || came.reason != in.wanted):
		return fmt.Errorf("the consent of %s failed: %s; %s", about, came.reason, in.retry)
	default:
		return nil
	}
}
