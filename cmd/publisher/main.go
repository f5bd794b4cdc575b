// Command publisher reports dead tokens to Regrant and watches what comes of it.
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
	Watch        watchCmd        `cmd:"" help:"Print output events, one CloudEvent a line."`
	Validate     validateCmd     `cmd:"" help:"Check files of CloudEvents against the schemas."`
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, streams cli.IO) int {
	var a app
	return cli.Run(ctx, &a, &a.Common, args, streams, kong.Name("publisher"),
		kong.Description("Reports dead tokens to Regrant and watches what comes of it."))
}
