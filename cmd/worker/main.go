// Command worker refreshes, saves and announces other people's OAuth grants.
package main

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/regrant/regrant/internal/cli"
)

// app is the command line. Help text and environment names are made from it.
type app struct {
	cli.Common
	Run         runCmd         `cmd:"" default:"withargs" help:"Take work until told to end. Without a NATS or Redis URL it brings its own."`
	Ready       readyCmd       `cmd:"" help:"Ask a worker of this host whether it takes work: 0 is yes."`
	Demo        demoCmd        `cmd:"" help:"Show a storm of 401s on simulated providers, with and without Regrant."`
	Provision   provisionCmd   `cmd:"" help:"Create or update the streams, consumers and buckets of a cell."`
	Simulator   simulatorCmd   `cmd:"" help:"Serve a simulated provider, for trying a stack out."`
	Doctor      doctorCmd      `cmd:"" help:"Look at NATS, Redis, keys, disk, clocks and permissions, and say what is wrong and what mends it."`
	Links       linksCmd       `cmd:"" help:"Import, list and show links."`
	Providers   providersCmd   `cmd:"" help:"What is known of providers."`
	Keys        keysCmd        `cmd:"" help:"Make, list, rotate and destroy the sealing keys."`
	Permissions permissionsCmd `cmd:"" help:"Print what a role may do at NATS and Redis, and no more."`
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, streams cli.IO) int {
	var a app
	return cli.Run(ctx, &a, &a.Common, args, streams, kong.Name("worker"),
		kong.Description("Keeps OAuth grants alive: one refresh for many 401s."))
}
