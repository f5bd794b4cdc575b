package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/cli"
)

type auditCmd struct {
	Action   string `help:"Only of this action, such as token-read."`
	Tenant   string `help:"Only of this tenant."`
	Provider string `help:"Only of this provider."`
	Link     string `help:"Only of this link."`
	Actor    string `help:"Only by this actor, or by those whose name begins so, such as operator:." placeholder:"NAME"`
	Cause    string `help:"Only what this event, or this run of a command, led to." placeholder:"ID"`
	Since    string `help:"Only what was written since: an RFC 3339 time, or how long ago, such as 1h." placeholder:"TIME"`
}

// Run reads; nothing here could write an entry or take one away.
func (a *auditCmd) Run(ctx context.Context, c *cli.Common) error {
	if err := a.valid(); err != nil {
		return err
	}
	since, err := cli.Moment("since", a.Since, time.Now())
	if err != nil {
		return err
	}
	return operate(ctx, c, func(b *bus.Bus) error {
		about := events.Address{Tenant: a.Tenant, Provider: a.Provider, Link: a.Link}
		spec := bus.WatchSpec{Stream: b.Names().Audit(), Subject: b.Names().Subjects().AuditFilter(a.Action, about), Since: since, Stored: true}
		show, flush := auditPrinter(c)
		err := b.Watch(ctx, spec, func(m *inbox.Message) error {
			var e audit.Entry
			if json.Unmarshal(m.Data, &e) != nil || !strings.HasPrefix(e.Actor, a.Actor) || !is(a.Cause, e.Cause) {
				return nil
			}
			return show(e)
		})
		return cmp.Or(err, flush())
	})
}

// valid sees that no part of the filter holds a wildcard or a dot.
func (a *auditCmd) valid() error {
	if a.Action != "" && !events.ValidProvider(a.Action) {
		return fmt.Errorf("%w: --action: %q is no action", cli.ErrBadInput, a.Action)
	}
	return events.Address{Tenant: cmp.Or(a.Tenant, "any"), Provider: cmp.Or(a.Provider, "any"), Link: cmp.Or(a.Link, "any")}.Validate()
}

func auditPrinter(c *cli.Common) (show func(audit.Entry) error, flush func() error) {
	if c.JSON {
		return func(e audit.Entry) error { return c.Print(e) }, func() error { return nil }
	}
	w := tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tACTOR\tACTION\tLINK\tOUTCOME\tGENERATION\tFINGERPRINT\tCAUSE\tDETAILS")
	return func(e audit.Entry) error {
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", e.At.UTC().Format(time.RFC3339), e.Actor, e.Action, linkOf(e),
			cmp.Or(e.Outcome, "-"), e.Generation, cmp.Or(e.Fingerprint, "-"), cmp.Or(e.Cause, "-"), details(e))
		return err
	}, w.Flush
}

// linkOf is whom an entry concerns, as far as it says.
func linkOf(e audit.Entry) string {
	words := slices.DeleteFunc([]string{e.Tenant, e.Provider, e.Link}, func(w string) bool { return w == "" })
	return cmp.Or(strings.Join(words, "/"), "-")
}

func details(e audit.Entry) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		words = append(words, name+"="+e.Details[name])
	}
	return strings.Join(words, " ")
}
