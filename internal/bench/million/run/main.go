// Command run measures a million links by itself: see package million.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/regrant/regrant/internal/bench/million"
	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/bench/report"
	"github.com/regrant/regrant/internal/bench/stand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "million:", err)
		os.Exit(1)
	}
}

// run measures, or is the provider that the measurement starts from the same program.
func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && args[0] == "provider" {
		return provider.Serve(ctx, os.Stdout)
	}
	c, asJSON, err := options(args)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.Provider = stand.Command{Name: "provider", Path: self, Args: []string{"provider"}, Ready: provider.Ready}
	if c.Dir, err = os.MkdirTemp("", "regrant-million-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	r, err := million.Measure(ctx, c)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	report.Table(os.Stdout, r.Lines(), true)
	return nil
}

func options(args []string) (c million.Config, asJSON bool, err error) {
	f := flag.NewFlagSet("million", flag.ContinueOnError)
	f.IntVar(&c.Links, "links", 0, "how many links (1,000,000)")
	f.IntVar(&c.Samples, "samples", 0, "how many refreshes are timed one by one (300)")
	f.BoolVar(&c.WholeScan, "scan", false, "wait for the end of the first scan, and compare again")
	f.BoolVar(&asJSON, "json", false, "print all figures as JSON")
	c.Progress = os.Stderr
	return c, asJSON, f.Parse(args)
}
