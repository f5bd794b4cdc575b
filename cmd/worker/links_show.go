package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/links"
)

type showCmd struct {
	Link     string `arg:"" help:"The link's id."`
	Tenant   string `help:"Its tenant." default:"default"`
	Provider string `help:"Its provider; needed only where several have a link of this id."`
}

func (s *showCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cell, err := openCell(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	l, err := s.one(ctx, cell)
	if err != nil {
		return err
	}
	return show(c, l.Public())
}

// one is the link that the command line names.
func (s *showCmd) one(ctx context.Context, cell *cell) (links.Link, error) {
	found, err := s.find(ctx, cell)
	switch {
	case err != nil:
		return links.Link{}, err
	case len(found) == 0:
		return links.Link{}, fmt.Errorf("%w: tenant %s has no link %s; `worker links list` shows what there is", cli.ErrBadInput, s.Tenant, s.Link)
	case len(found) > 1:
		return links.Link{}, fmt.Errorf("%w: several providers have a link %s; choose one with --provider", cli.ErrBadInput, s.Link)
	}
	return found[0], nil
}

// find reads the links of this id where writes are decided.
func (s *showCmd) find(ctx context.Context, cell *cell) (found []links.Link, err error) {
	for _, provider := range cell.cfg.ProviderNames() {
		if s.Provider != "" && s.Provider != provider {
			continue
		}
		got, err := cell.store.Latest(ctx, events.Address{Tenant: s.Tenant, Provider: provider, Link: s.Link})
		if errors.Is(err, links.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, got.Link)
	}
	return found, nil
}

func show(c *cli.Common, l links.Link) error {
	if c.JSON {
		return c.Print(l)
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "link\t%s\nuser\t%s\nnickname\t%s\nstatus\t%s\ngeneration\t%d\nconsent\t%d\n", l.Address, l.User, l.Nickname, l.Status, l.Generation, l.Consent)
	fmt.Fprintf(w, "subject\t%s\nscopes\t%s\naccounts\t%s\n", l.Subject, words(l.Scopes), accounts(l))
	fmt.Fprintf(w, "bearer\t%s, expires %s, refused %t\nrefresh token\texpires %s\nconsent\texpires %s\n", l.Fingerprint, when(l.ExpiresAt), l.Refused, when(l.RefreshExpiresAt), when(l.ConsentExpiresAt))
	showWaiting(w, l)
	showPast(w, l)
	return w.Flush()
}

// accounts says also why they are not known.
func accounts(l links.Link) string {
	if l.AccountsUnknown != "" {
		return fmt.Sprintf("%s (not read at the last consent: %s)", words(l.Accounts), l.AccountsUnknown)
	}
	return words(l.Accounts)
}

// showWaiting is what has yet to happen to the link, and what has its place.
func showWaiting(w io.Writer, l links.Link) {
	if l.Successor != nil {
		fmt.Fprintf(w, "successor\t%s\n", l.Successor)
	}
	if h := l.Hold; h != nil {
		fmt.Fprintf(w, "held\tconsent %d, flow %s: another login, %s, would take this one's place as %s; decide until %s\n", h.Consent, h.ID, h.Subject, h.By, when(h.Until))
	}
	if x := l.Exchange; x != nil {
		fmt.Fprintf(w, "exchange\tof flow %s by %s at %s\n", x.ID, x.Worker, when(x.At))
	}
	if !l.Due.IsZero() {
		fmt.Fprintf(w, "due\t%s to %s\n", when(l.Due), l.DueFor)
	}
	for _, a := range l.Attempts {
		fmt.Fprintf(w, "attempt\t%s by %s at %s\n", a.ID, a.Worker, when(a.At))
	}
}

// showPast is what was agreed to, kept and done. A consent that was imported has
// neither a flow nor an event of its own.
func showPast(w io.Writer, l links.Link) {
	for _, k := range l.Kept {
		fmt.Fprintf(w, "kept\t%s answer of attempt %s, generation %d\n", k.Kind, k.Attempt, k.Generation)
	}
	for _, k := range l.Consents {
		fmt.Fprintf(w, "consent %d\t%s by %s", k.Number, when(k.At), k.Cause)
		if k.Flow != "" {
			fmt.Fprintf(w, ", flow %s, event %s", k.Flow, k.Event)
		}
		fmt.Fprintf(w, ", scopes %s, accounts %s, until %s\n", words(k.Scopes), words(k.Accounts), when(k.Until))
	}
	for _, h := range l.History {
		fmt.Fprintf(w, "history\t%s %s, generation %d\n", when(h.At), h.What, h.Generation)
	}
}
