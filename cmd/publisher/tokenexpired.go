package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/cli"
)

type tokenExpiredCmd struct {
	traced
	Tenant     string        `help:"The link's tenant." default:"default"`
	Provider   string        `help:"The link's provider." required:""`
	Link       string        `help:"The link's id." required:""`
	Generation uint64        `help:"Generation of the bearer that failed; either this or --token-stdin." xor:"which" required:"" placeholder:"N"`
	TokenStdin bool          `help:"Read the bearer that failed from standard input; only its fingerprint is sent; either this or --generation." xor:"which" required:""`
	Reason     string        `help:"What was seen: unauthorized, expired or expiring." enum:"unauthorized,expired,expiring" default:"unauthorized"`
	Status     int           `help:"HTTP status that the API answered."`
	Error      string        `help:"OAuth error code that the API answered, such as invalid_token."`
	Wait       time.Duration `help:"Wait this long until the link is served again or needs its user, and print the event." placeholder:"10s"`
}

const source = "//regrant/publisher"

func (t *tokenExpiredCmd) Run(ctx context.Context, c *cli.Common) error {
	data, err := t.data(c.In)
	if err != nil {
		return err
	}
	return connected(ctx, c, roleReporter, t.traced, data, func(b *bus.Bus, m events.Message, id string) error {
		if t.Wait > 0 {
			return t.publishAndWait(ctx, c, b, m, data)
		}
		return publish(ctx, c, b, m, id, "reported "+data.Address.String())
	})
}

func (t *tokenExpiredCmd) data(in io.Reader) (events.TokenExpired, error) {
	d := events.TokenExpired{
		Address:    events.Address{Tenant: t.Tenant, Provider: t.Provider, Link: t.Link},
		Generation: t.Generation, Reason: events.Reason(t.Reason), Status: t.Status, Error: t.Error,
	}
	if !t.TokenStdin && t.Generation == 0 {
		return d, fmt.Errorf("%w: --generation: generations count from 1", cli.ErrBadInput)
	}
	if t.TokenStdin {
		token, err := io.ReadAll(io.LimitReader(in, events.MaxSize))
		if err != nil {
			return d, err
		}
		if d.Fingerprint = events.Fingerprint(strings.TrimSpace(string(token))); d.Fingerprint == "" {
			return d, fmt.Errorf("%w: --token-stdin: standard input holds no token", cli.ErrBadInput)
		}
	}
	return d, d.Validate()
}

var errAnswered = errors.New("answered")

// publishAndWait listens before it reports, so that no answer is missed.
func (t *tokenExpiredCmd) publishAndWait(ctx context.Context, c *cli.Common, b *bus.Bus, m events.Message, d events.TokenExpired) error {
	ctx, cancel := context.WithTimeout(ctx, t.Wait)
	defer cancel()
	var failed error
	spec := bus.WatchSpec{Subject: b.Names().Subjects().OutOf(d.Address), Last: d.Generation != 0, Begun: func() {
		if failed = b.PublishInput(ctx, m); failed != nil {
			cancel()
		}
	}}
	err := b.Watch(ctx, spec, func(out *inbox.Message) error {
		if !answers(out, b.Names().Subjects(), d.Generation) {
			return nil
		}
		if _, err := fmt.Fprintf(c.Out, "%s\n", out.Data); err != nil {
			return err
		}
		return errAnswered
	})
	switch {
	case failed != nil:
		return failed
	case errors.Is(err, errAnswered):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("link %s was not rotated within %s; see `worker links show %s --tenant %s --provider %s`, and whether a worker runs", d.Address, t.Wait, d.Link, d.Tenant, d.Provider)
	default:
		return err
	}
}

// answers says whether an output event settles a report of a generation.
func answers(out *inbox.Message, s events.Subjects, reported uint64) bool {
	_, name, err := s.ParseOut(out.Subject)
	if err != nil {
		return false
	}
	generation, _ := events.GenerationOf(out.Header)
	switch name {
	case events.NameTokenRotated:
		return generation > reported
	case events.NameConsentRequired, events.NameLinkQuarantined, events.NameLinkRevoked, events.NameLinkReplaced:
		return generation >= reported // an earlier end was not the last: its user came back
	default:
		return false
	}
}
