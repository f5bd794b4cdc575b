package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/doctor"
	"github.com/regrant/regrant/locks"
)

// proofFlags say where NATS's own settings can be read.
type proofFlags struct {
	NATSMonitor  []string `name:"nats-monitor" help:"Monitoring address of each nats-server, to read when it flushes." placeholder:"http://HOST:8222"`
	NATSSysCreds string   `name:"nats-sys-creds" help:"Credentials file of NATS's system account, for the same." type:"path" placeholder:"FILE"`
	NATSSysURL   string   `name:"nats-sys-url" help:"NATS as the system account reaches it; left out: the cell's URL." placeholder:"URL"`
}

func (p proofFlags) proof() doctor.Proof {
	return doctor.Proof{Monitor: p.NATSMonitor, SysURL: p.NATSSysURL, SysCreds: p.NATSSysCreds}
}

type doctorCmd struct {
	proofFlags
	Role   string `help:"Whose credentials these are; only a worker's permissions are tried." enum:"worker,operator" default:"worker"`
	Strict bool   `help:"Take what cannot be known for unsafe."`
}

func (d *doctorCmd) Run(ctx context.Context, c *cli.Common) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	locks.RouteClientLog(slog.New(slog.DiscardHandler))
	report := doctor.Examine(ctx, doctor.Options{
		Config: cfg.Defaults(), Role: d.Role, Proof: d.proof(), Now: time.Now, Patience: c.ConnectTimeout,
	})
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the doctor was interrupted: %w", context.Cause(ctx))
	}
	if c.JSON {
		err = c.Print(report)
	} else {
		printFindings(c.Out, report.Findings)
	}
	if err != nil {
		return err
	}
	return d.verdict(report)
}

// verdict is the error that the exit code comes from.
func (d *doctorCmd) verdict(r doctor.Report) error {
	unsafe := len(r.Bad(doctor.Unsafe))
	unknown, broken := len(r.Bad(doctor.Unknown)), len(r.Bad(doctor.Error))
	switch {
	case unsafe > 0:
		return fmt.Errorf("%w: %d findings break a guarantee; each says what mends it", cli.ErrUnsafe, unsafe)
	case d.Strict && unknown > 0:
		return fmt.Errorf("%w: %d things could not be known, which --strict takes for unsafe", cli.ErrUnsafe, unknown)
	case broken > 0:
		return fmt.Errorf("%d things do not work or could not be checked; each says what mends it", broken)
	}
	return nil
}

func printFindings(w io.Writer, all []doctor.Finding) {
	for _, f := range all {
		about := f.Says
		if f.Subject != "" {
			about = f.Subject + ": " + f.Says
		}
		status := string(f.Status)
		if f.Status == doctor.Unsafe {
			status = strings.ToUpper(status)
		}
		fmt.Fprintf(w, "%-7s  %-17s  %s\n", status, f.Check, about)
		if f.Fix != "" {
			fmt.Fprintf(w, "%-7s  %-17s  %s\n", "", "", "to mend it: "+f.Fix)
		}
	}
}

// requireDurable refuses to go on unless durability is proven.
func requireDurable(ctx context.Context, proof doctor.Proof, cfg config.Config, log *slog.Logger) error {
	bad := doctor.Durable(ctx, doctor.Options{Config: cfg, Proof: proof, Now: time.Now, Log: log})
	if len(bad) == 0 {
		return nil
	}
	var words strings.Builder
	printFindings(&words, bad)
	return fmt.Errorf("%w: --require-durable is given, and durability is not proven; no work was taken:\n%s`worker doctor` shows all", cli.ErrUnsafe, words.String())
}
