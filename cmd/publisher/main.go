// Command publisher reports to Regrant what happened to tokens and consents, and
// watches what comes of it.
package main

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/regrant/regrant/internal/cli"
)

// app is the command line. Help text and environment names are made from it.
type app struct {
	cli.Common
	TokenExpired tokenExpiredCmd `cmd:"" help:"Report that a link's bearer is dead or about to end."`
	Consent      consentCmd      `cmd:"" help:"Consent flows."`
	Reconsent    reconsentCmd    `cmd:"" name:"reconsent-completed" help:"Report that a user came back from the provider."`
	Decided      decidedCmd      `cmd:"" name:"link-replacement-decided" help:"Decide on a replacement that is held."`
	Logout       logoutCmd       `cmd:"" name:"logout-requested" help:"Ask to revoke a link at its provider and to clear it here."`
	Watch        watchCmd        `cmd:"" help:"Print output events, one CloudEvent a line."`
	Replay       replayCmd       `cmd:"" help:"Put stored inputs before the workers once more, or send stored outputs to one subject."`
	Dead         deadCmd         `cmd:"" help:"Events that were given up."`
	Audit        auditCmd        `cmd:"" help:"List who did what to whose grant."`
	Validate     validateCmd     `cmd:"" help:"Check files of CloudEvents against the schemas."`
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, streams cli.IO) int {
	var a app
	return cli.Run(ctx, &a, &a.Common, args, streams, kong.Name("publisher"),
		kong.Description("Reports dead tokens and completed consents to Regrant, and watches what comes of it."))
}
