package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/links/kvstore"
)

type linksCmd struct {
	Import importCmd `cmd:"" help:"Import grants that were obtained elsewhere, one JSON object a line on standard input."`
	List   listCmd   `cmd:"" help:"List links."`
	Show   showCmd   `cmd:"" help:"Show one link, without its secrets."`
}

// cell is an open store for the commands that look at links.
type cell struct {
	cfg   config.Config
	bus   *bus.Bus
	store *kvstore.Store
}

// settled is the configuration with its defaults, checked.
func settled(c *cli.Common) (config.Config, error) {
	cfg, err := c.Load()
	if err != nil {
		return cfg, err
	}
	cfg = cfg.Defaults()
	return cfg, cfg.Validate()
}

func openCell(ctx context.Context, c *cli.Common) (*cell, error) {
	cfg, err := settled(c)
	if err != nil {
		return nil, err
	}
	return connectCell(ctx, c, cfg)
}

func connectCell(ctx context.Context, c *cli.Common, cfg config.Config) (*cell, error) {
	b, err := c.Connect(ctx, cfg, "operator")
	if err != nil {
		return nil, err
	}
	store, err := worker.Store(ctx, b)
	if err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return &cell{cfg: cfg, bus: b, store: store}, nil
}

func (c *cell) Close(ctx context.Context) error { return c.bus.Close(context.WithoutCancel(ctx)) }

type listCmd struct {
	Tenant   string `help:"Only of this tenant."`
	Provider string `help:"Only at this provider."`
	User     string `help:"Only of this user."`
}

// row is what a list shows of a link.
type row struct {
	events.Address
	User       string       `json:"user"`
	Nickname   string       `json:"nickname,omitzero"`
	Status     links.Status `json:"status"`
	Generation uint64       `json:"generation"`
	Consent    uint64       `json:"consent"`
	Subject    string       `json:"subject_hmac,omitzero"`
	Accounts   []string     `json:"accounts,omitzero"`
	ExpiresAt  time.Time    `json:"expires_at,omitzero"`
}

func (l *listCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cell, err := openCell(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	show, flush := l.printer(c)
	err = l.each(ctx, c, cell, func(s links.Stored) bool {
		k := s.Link
		if l.User == "" || k.User == l.User {
			show(row{k.Address, k.User, k.Nickname, k.Status, k.Generation, k.Consent, k.Subject, k.Accounts, k.ExpiresAt})
		}
		return true
	})
	return errors.Join(err, flush())
}

// each walks the links: a user's by the index, any others by the key filter.
func (l *listCmd) each(ctx context.Context, c *cli.Common, cell *cell, yield func(links.Stored) bool) error {
	if l.User == "" {
		return cell.store.List(ctx, events.Address{Tenant: l.Tenant, Provider: l.Provider}, yield)
	}
	keys, err := loadKeys(cell.cfg)
	if err != nil {
		return err
	}
	for _, tenant := range cell.cfg.Tenants {
		if l.Tenant != "" && l.Tenant != tenant {
			continue
		}
		found, err := cell.store.OfUser(ctx, tenant, keys.User(tenant, l.User))
		if err != nil {
			return err
		}
		for _, a := range found {
			if l.Provider != "" && l.Provider != a.Provider {
				continue
			}
			s, err := cell.store.Get(ctx, a)
			if err != nil && !errors.Is(err, links.ErrNotFound) {
				return err
			}
			if err == nil && !yield(s) {
				return nil
			}
		}
	}
	return nil
}

func (l *listCmd) printer(c *cli.Common) (show func(row), flush func() error) {
	if c.JSON {
		var failed error
		return func(r row) { failed = errors.Join(failed, c.Print(r)) }, func() error { return failed }
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tPROVIDER\tLINK\tUSER\tNICKNAME\tSTATUS\tGENERATION\tEXPIRES")
	return func(r row) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Tenant, r.Provider, r.Link, r.User, r.Nickname, r.Status, r.Generation, when(r.ExpiresAt))
	}, w.Flush
}

func when(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format(time.RFC3339)
}

func words(list []string) string {
	if len(list) == 0 {
		return "unknown"
	}
	return strings.Join(list, " ")
}

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
	var found []links.Link
	for _, provider := range cell.cfg.ProviderNames() {
		if s.Provider != "" && s.Provider != provider {
			continue
		}
		got, err := cell.store.Latest(ctx, events.Address{Tenant: s.Tenant, Provider: provider, Link: s.Link})
		if errors.Is(err, links.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		found = append(found, got.Link)
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("%w: tenant %s has no link %s; `worker links list` shows what there is", cli.ErrBadInput, s.Tenant, s.Link)
	case 1:
		return s.print(c, found[0].Public())
	default:
		return fmt.Errorf("%w: several providers have a link %s; choose one with --provider", cli.ErrBadInput, s.Link)
	}
}

func (s *showCmd) print(c *cli.Common, l links.Link) error {
	if c.JSON {
		return c.Print(l)
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "link\t%s\nuser\t%s\nnickname\t%s\nstatus\t%s\ngeneration\t%d\nconsent\t%d\n", l.Address, l.User, l.Nickname, l.Status, l.Generation, l.Consent)
	fmt.Fprintf(w, "subject\t%s\nscopes\t%s\naccounts\t%s\n", l.Subject, words(l.Scopes), words(l.Accounts))
	fmt.Fprintf(w, "bearer\t%s, expires %s, refused %t\nrefresh token\texpires %s\nconsent\texpires %s\n", l.Fingerprint, when(l.ExpiresAt), l.Refused, when(l.RefreshExpiresAt), when(l.ConsentExpiresAt))
	if !l.Due.IsZero() {
		fmt.Fprintf(w, "due\t%s to %s\n", when(l.Due), l.DueFor)
	}
	for _, a := range l.Attempts {
		fmt.Fprintf(w, "attempt\t%s by %s at %s\n", a.ID, a.Worker, when(a.At))
	}
	for _, k := range l.Kept {
		fmt.Fprintf(w, "kept\t%s answer of attempt %s, generation %d\n", k.Kind, k.Attempt, k.Generation)
	}
	for _, k := range l.Consents {
		fmt.Fprintf(w, "consent %d\t%s by %s, scopes %s, until %s\n", k.Number, when(k.At), k.Cause, words(k.Scopes), when(k.Until))
	}
	for _, h := range l.History {
		fmt.Fprintf(w, "history\t%s %s, generation %d\n", when(h.At), h.What, h.Generation)
	}
	return w.Flush()
}
