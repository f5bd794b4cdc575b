package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/regrant/regrant/internal/torture/judge"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	length       time.Duration
	seed         uint64
	rate         float64
	dir          string
	json, report string
	lockOnly     bool
	baselineFor  time.Duration
}

func parse(args []string, errs io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.DurationVar(&o.length, "for", 2*time.Minute, "how long faults last")
	flags.Uint64Var(&o.seed, "seed", 0, "draws the faults; 0: by the clock, and said")
	flags.Float64Var(&o.rate, "rate", 100, "reports a second")
	flags.StringVar(&o.dir, "dir", "", "where logs, stores and ledger go; left out: a temporary directory, kept where a promise was broken")
	flags.StringVar(&o.json, "json", "", "write the reports to this file")
	flags.StringVar(&o.report, "report", "", "write the reports to this file, for people")
	flags.BoolVar(&o.lockOnly, "lock-only", true, "do the same to the fleet without an intent")
	flags.DurationVar(&o.baselineFor, "lock-only-for", 0, "how long; 0: a tenth, and at least 20s")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	if o.baselineFor == 0 {
		o.baselineFor = max(o.length/10, 20*time.Second)
	}
	return o, nil
}

// errBroken means that a promise was not kept.
var errBroken = errors.New("a promise was broken")

// errWeak means that the fleet without an intent withstood it all.
var errWeak = errors.New("the nemesis is too weak: the lock-only fleet failed nowhere")

func run(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	if len(args) > 0 && args[0] == simulatorWord {
		return simulate(ctx, args[1:], out)
	}
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "torture-"); err != nil {
			return err
		}
	}
	defer func() {
		if err == nil && temporary {
			err = os.RemoveAll(o.dir)
		} else if err != nil {
			err = fmt.Errorf("%w; seed %d, everything is in %s", err, o.seed, o.dir)
		}
	}()
	return o.both(ctx, out, newProgress(errs, terminal(errs)))
}

// both tortures Regrant, then the other fleet.
func (o options) both(ctx context.Context, out io.Writer, say *progress) error {
	say.phase(fmt.Sprintf("seed %d, in %s", o.seed, o.dir))
	ours, err := (&ordeal{options: o, name: "regrant", length: o.length, say: say}).run(ctx, false)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ours.Text())
	var theirs judge.Report
	if o.lockOnly {
		if theirs, err = (&ordeal{options: o, name: "lock-only", length: o.baselineFor, say: say}).run(ctx, true); err != nil {
			return err
		}
		fmt.Fprintln(out, theirs.Text())
	}
	if err := o.write(ours, theirs); err != nil {
		return err
	}
	switch {
	case len(ours.Failed()) > 0:
		return errBroken
	case o.lockOnly && len(theirs.Failed()) == 0:
		return errWeak
	}
	return nil
}

func (o options) write(ours, theirs judge.Report) (err error) {
	if o.report != "" {
		err = os.WriteFile(o.report, []byte(ours.Markdown(theirs)), 0o644)
	}
	path := o.json
	if path == "" {
		path = filepath.Join(o.dir, "report.json")
	}
	text, failed := json.MarshalIndent(map[string]judge.Report{"regrant": ours, "lock_only": theirs}, "", "  ")
	return errors.Join(err, failed, os.WriteFile(path, append(text, '\n'), 0o644))
}

// terminal says whether somebody looks on.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
