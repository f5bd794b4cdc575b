package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/internal/cli"
)

type consentCmd struct {
	Begin consentBeginCmd `cmd:"" help:"Begin a consent flow: prints the URL that its user's browser is to open."`
}

type consentBeginCmd struct {
	Tenant      string   `help:"The application's tenant." default:"default"`
	Provider    string   `help:"The provider to consent at." required:""`
	User        string   `help:"The application's own name for its user." required:""`
	Link        string   `help:"The link to consent again for; left out: a new one." placeholder:"ID"`
	RedirectURI string   `name:"redirect-uri" help:"Where the provider sends the browser; registered there." required:"" placeholder:"URL"`
	Scope       []string `help:"A scope to ask for; may be repeated; left out: those of the configuration." sep:"none"`
	Nickname    string   `help:"What the user calls this login."`
	Prompt      string   `help:"What the provider is to ask, such as login or consent."`
	LoginHint   string   `help:"Who the provider is to expect."`
}

func (b *consentBeginCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	in := api.ConsentBegin{
		Provider: b.Provider, Link: b.Link, User: b.User, Nickname: b.Nickname, RedirectURI: b.RedirectURI,
		Scopes: strings.Fields(strings.Join(b.Scope, " ")), Prompt: b.Prompt, LoginHint: b.LoginHint,
	}
	if err := errors.Join(address(b.Tenant, b.Provider, b.Link), in.Validate()); err != nil {
		return err
	}
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	conn, err := c.Connect(ctx, cfg.Defaults(), roleCallback)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var out api.ConsentBegun
	if err := conn.Request(ctx, conn.Names().Subjects().API(b.Tenant, api.VerbConsentBegin), in, &out); err != nil {
		return err
	}
	return b.print(c, out)
}

func (b *consentBeginCmd) print(c *cli.Common, out api.ConsentBegun) error {
	if c.JSON {
		return c.Print(out)
	}
	_, err := fmt.Fprintf(c.Out, "link %s\nstate %s\nopen before %s:\n%s\n",
		out.Link, out.State, out.ExpiresAt.UTC().Format(time.RFC3339), out.AuthorizeURL)
	return err
}
