package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/permissions"
)

type permissionsCmd struct {
	Role         string   `help:"Whose: admin, operator, worker, reporter, reader, subscriber, callback, owner, or all, which prints whole accounts." required:"" placeholder:"ROLE"`
	Name         string   `help:"The user's name, and the role it connects as; left out: the role's."`
	Format       string   `help:"server prints nats-server's configuration, nsc commands for nsc, redis the ACL of Redis, json all of it." enum:"server,nsc,redis,json" default:"server"`
	Tenant       string   `help:"Tenant that services work for." default:"default"`
	Provider     string   `help:"Provider that they work for; left out: any."`
	Link         []string `help:"Link that a reader may read; given several times, one user each; left out: any."`
	Subscription string   `help:"Name of the subscriber's subscription." default:"events"`
	ReplayTo     string   `help:"Subjects that the operator may re-send outputs to; left out: none." placeholder:"SUBJECT"`
	Prefix       string   `help:"Prefix of the cell; left out: that of the configuration."`
	Account      string   `help:"Where services are: in an account of their own, or in the cell's, which is less safe." enum:"services,cell" default:"services"`
}

func (p *permissionsCmd) Run(c *cli.Common) error {
	s, err := p.scope(c)
	if err != nil {
		return err
	}
	roles := permissions.Roles()
	if p.Role != "all" {
		roles = []permissions.Role{permissions.Role(p.Role)}
	}
	users, err := permissions.For(s, roles...)
	if err != nil {
		return fmt.Errorf("%w: %w; the roles are all, %s", cli.ErrBadInput, err, known())
	}
	if c.JSON {
		p.Format = "json"
	}
	return p.write(c, s, users)
}

// scope takes the prefix from the configuration, unless it is given.
func (p *permissionsCmd) scope(c *cli.Common) (permissions.Scope, error) {
	s := permissions.Scope{
		Prefix: p.Prefix, Name: p.Name, Tenant: p.Tenant, Provider: p.Provider, Links: p.Link, Subscription: p.Subscription,
		ReplayTo: p.ReplayTo, Together: p.Account == "cell",
	}
	if s.Prefix == "" {
		cfg, err := c.Load()
		if err != nil {
			return s, err
		}
		s.Prefix = cfg.NATS.Prefix
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("%w: %w", cli.ErrBadInput, err)
	}
	return s, nil
}

func (p *permissionsCmd) write(c *cli.Common, s permissions.Scope, users []permissions.User) error {
	all := p.Role == "all"
	switch {
	case p.Format == "json":
		return c.Print(struct {
			Users     []permissions.User     `json:"users"`
			Crossings []permissions.Crossing `json:"crossings"`
		}{users, permissions.Crossings(s)})
	case p.Format == "redis":
		return writeRedis(c.Out, s, users)
	case p.Format == "nsc" && all:
		return errors.Join(permissions.WriteNSCAccounts(c.Out, s, users), permissions.WriteNSC(c.Out, users))
	case p.Format == "nsc":
		return permissions.WriteNSC(c.Out, users)
	case all:
		return permissions.WriteAccounts(c.Out, s, users)
	default:
		return permissions.WriteUsers(c.Out, users)
	}
}

// writeRedis says so where a role has nothing to do there.
func writeRedis(w io.Writer, s permissions.Scope, users []permissions.User) error {
	for _, u := range users {
		if u.Redis != "" {
			return permissions.WriteRedis(w, s, users)
		}
	}
	_, err := fmt.Fprintf(w, "# The role %s needs no Redis.\n", users[0].Role)
	return err
}

func known() string {
	var names []string
	for _, r := range permissions.Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}
