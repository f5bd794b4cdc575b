package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/links"
)

// operatorSource is the CloudEvents source of what operators ask of the workers.
const operatorSource = "//regrant/operator"

type revokeCmd struct {
	Link     string `arg:"" help:"The link's id."`
	Tenant   string `help:"Its tenant." default:"default"`
	Provider string `help:"Its provider; needed only where several have a link of this id."`
	Scope    string `help:"What ends: this link, or every link of its user in the tenant." enum:"link,user" default:"link"`
}

// asked is what a revocation says of itself.
type asked struct {
	ID string `json:"id"`
	events.Address
	Scope string `json:"scope"`
}

// Run asks; a worker carries it out, as it does any logout.
func (r *revokeCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cell, err := openCell(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	l, err := (&showCmd{Link: r.Link, Tenant: r.Tenant, Provider: r.Provider}).one(ctx, cell)
	if err != nil {
		return err
	}
	if l.Status == links.Revoked {
		return fmt.Errorf("link %s is revoked already", l.Address)
	}
	run := audit.NewRun(cell.bus, time.Now, c.ConnectTimeout)
	if err := run.Before(ctx, audit.Entry{Action: audit.RevokeAsked, Generation: l.Generation, Details: map[string]string{"scope": r.Scope}}.About(l.Address)); err != nil {
		return err
	}
	did := asked{ulid.Make().String(), l.Address, r.Scope}
	if err := r.ask(ctx, c, cell, did, run.ID); err != nil {
		return err
	}
	if c.JSON {
		return c.Print(did)
	}
	_, err = fmt.Fprintf(c.Out, "asked to revoke %s; `worker links show %s` says when it is done\n", l.Address, l.Link)
	return err
}

func (r *revokeCmd) ask(ctx context.Context, c *cli.Common, cell *cell, did asked, run string) error {
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	e, err := events.NewInput(operatorSource, did.ID, time.Now(), events.Trace{CausationID: run},
		events.LogoutRequested{Address: did.Address, Scope: events.LogoutScope(r.Scope)})
	if err != nil {
		return err
	}
	m, err := cell.bus.Names().Subjects().InputMessage(e)
	if err != nil {
		return err
	}
	return cell.bus.PublishInput(ctx, m)
}
