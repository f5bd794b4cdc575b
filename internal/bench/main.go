package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/regrant/regrant/internal/bench/contest"
	"github.com/regrant/regrant/internal/bench/load"
	"github.com/regrant/regrant/internal/bench/provider"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the driver, or one of the processes that it starts from the same program.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "provider":
			return provider.Serve(ctx, out)
		case "bare", "floor", "exchanges":
			s, err := contest.Parse(args[1:])
			if err != nil {
				return err
			}
			return map[string]func(context.Context, contest.Spec, io.Writer) error{
				"bare": contest.Bare, "floor": contest.Floor, "exchanges": contest.Exchanges,
			}[args[0]](ctx, s, out)
		case "load":
			s, err := load.Parse(args[1:])
			if err != nil {
				return err
			}
			return load.Run(ctx, s, out)
		}
	}
	o, err := options(args)
	if err != nil {
		return err
	}
	return drive(ctx, o, out, progress)
}

// settings of a run.
type settings struct {
	rows   map[int]bool // empty: all
	rounds int
	short  bool
	write  string // directory of the report's files; empty: none are written
}

func options(args []string) (o settings, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "how often the contestants take turns")
	f.BoolVar(&o.short, "short", false, "a minute: little of everything, nothing is judged but what was presented twice")
	f.StringVar(&o.write, "write", "", "directory to write performance.json, .svg and .md to; rows left out are kept")
	rows := f.String("rows", "", "only these rows, such as 1,3")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.rows = map[int]bool{}
	for word := range strings.FieldsFuncSeq(*rows, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return o, fmt.Errorf("-rows %s: numbers of rows are needed, separated by commas", *rows)
		}
		o.rows[n] = true
	}
	if o.short {
		o.rounds = 1
	}
	if o.short && o.write != "" {
		return o, errors.New("-short measures nothing worth writing: leave one of -short and -write out")
	}
	return o, nil
}
