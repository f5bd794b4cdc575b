package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/links"
)

type listCmd struct {
	Tenant   string `help:"Only of this tenant."`
	Provider string `help:"Only at this provider."`
	User     string `help:"Only of this user, by tenant, provider and link."`
}

// row is what a list shows of a link: what its application sees, and whose it is.
type row struct {
	api.LinkView
	User string `json:"user"`
}

func (l *listCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cell, err := openCell(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	show, flush := l.printer(c)
	err = l.each(ctx, c, cell, func(s links.Stored) bool {
		show(row{handlers.View(s.Link), s.Link.User})
		return true
	})
	return errors.Join(err, flush())
}

// each walks the links: a user's by the index and in order, any others by the key
// filter and as they come.
func (l *listCmd) each(ctx context.Context, c *cli.Common, cell *cell, yield func(links.Stored) bool) error {
	if l.User == "" {
		return cell.store.List(ctx, events.Address{Tenant: l.Tenant, Provider: l.Provider}, yield)
	}
	found, err := l.ofUser(ctx, cell)
	if err != nil {
		return err
	}
	var passed links.Unreadable
	for _, a := range found {
		s, err := cell.store.Get(ctx, a)
		switch {
		case errors.Is(err, links.ErrNotFound): // indexed before its record was made
		case errors.Is(err, links.ErrRecord):
			passed.Note(a.String(), err)
		case err != nil:
			return err
		case s.Link.User == l.User && !yield(s):
			return nil
		}
	}
	return passed.Err()
}

// ofUser finds a user's links without reading anybody else's.
func (l *listCmd) ofUser(ctx context.Context, cell *cell) ([]events.Address, error) {
	keys, err := loadKeys(cell.cfg)
	if err != nil {
		return nil, err
	}
	var all []events.Address
	for _, tenant := range slices.Sorted(slices.Values(cell.cfg.Tenants)) {
		if l.Tenant != "" && l.Tenant != tenant {
			continue
		}
		found, err := cell.store.OfUser(ctx, tenant, keys.User(tenant, l.User))
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(found, func(a events.Address) bool { return l.Provider != "" && l.Provider != a.Provider })...)
	}
	slices.SortFunc(all, byAddress)
	return all, nil
}

func byAddress(a, b events.Address) int {
	return slices.Compare([]string{a.Tenant, a.Provider, a.Link}, []string{b.Tenant, b.Provider, b.Link})
}

func (l *listCmd) printer(c *cli.Common) (show func(row), flush func() error) {
	if c.JSON {
		var failed error
		return func(r row) { failed = errors.Join(failed, c.Print(r)) }, func() error { return failed }
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tPROVIDER\tLINK\tUSER\tNICKNAME\tSTATUS\tGENERATION\tCONSENT\tACCOUNTS\tEXPIRES")
	return func(r row) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n",
			r.Tenant, r.Provider, r.Link, r.User, r.Nickname, standing(r), r.Generation, r.Consent, len(r.Accounts), when(r.ExpiresAt))
	}, w.Flush
}

// standing is a link's state, and what became of it or is to be decided.
func standing(r row) string {
	switch {
	case r.Successor != nil:
		return fmt.Sprintf("%s by %s", r.Status, r.Successor.Link)
	case r.Held:
		return fmt.Sprintf("%s, consent %d held", r.Status, r.HeldConsent)
	default:
		return r.Status
	}
}
