package main

import (
	"context"
	"fmt"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
)

type logoutCmd struct {
	traced
	Tenant   string        `help:"The link's tenant." default:"default"`
	Provider string        `help:"The link's provider." required:""`
	Link     string        `help:"The link's id." required:""`
	Scope    string        `help:"What ends: this link, or every link of its user in the tenant." enum:"link,user" default:"link"`
	Wait     time.Duration `help:"Wait this long for link-revoked of this link, and print the event." placeholder:"10s"`
}

func (l *logoutCmd) Run(ctx context.Context, c *cli.Common) error {
	return send(ctx, c, input{role: roleOperator, traced: l.traced, wait: l.Wait, data: events.LogoutRequested{
		Address: events.Address{Tenant: l.Tenant, Provider: l.Provider, Link: l.Link}, Scope: events.LogoutScope(l.Scope),
	}, entry: &audit.Entry{Action: audit.RevokeAsked, Details: map[string]string{"scope": l.Scope}}, retry: fmt.Sprintf("`worker links show %s --tenant %s --provider %s` says whether it is revoked already", l.Link, l.Tenant, l.Provider)})
}
