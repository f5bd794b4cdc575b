package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/regrant/regrant/internal/bench/provider"
	"github.com/regrant/regrant/internal/bench/report"
	"github.com/regrant/regrant/internal/bench/stand"
)

// bench is one run of the program.
type bench struct {
	settings
	*stand.Stand
	// rivals is the path of their program; built where a row needs it.
	rivals string
	// self is this program, which is also the provider, the denominators and the load.
	self     string
	dir      string
	progress io.Writer
	// durable is a stand whose NATS flushes every write; opened when it is needed.
	durable *stand.Stand
}

func drive(ctx context.Context, o settings, out, progress io.Writer) (err error) {
	b := &bench{settings: o, progress: progress}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "regrant-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.Stand, err = b.open("servers", false); err != nil {
		return err
	}
	defer b.close()
	found, err := b.all(ctx)
	report.Table(out, found.Lines, !o.short)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(found.Lines, report.Line.Twice) {
		return errors.New("something was presented more than once: see the table")
	}
	if o.write == "" {
		return nil
	}
	return found.Write(o.write)
}

// on is the stand with one or the other way of writing.
func (b *bench) on(syncAlways bool) (*stand.Stand, error) {
	if !syncAlways {
		return b.Stand, nil
	}
	if b.durable == nil {
		durable, err := b.open("durable", true)
		if err != nil {
			return nil, err
		}
		b.durable = durable
	}
	return b.durable, nil
}

func (b *bench) close() {
	b.Close()
	if b.durable != nil {
		b.durable.Close()
	}
}

// open starts a set of servers.
func (b *bench) open(name string, syncAlways bool) (*stand.Stand, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return stand.Open(stand.Config{Dir: dir, SyncAlways: syncAlways, Provider: b.providerCommand()})
}

func (b *bench) providerCommand() stand.Command {
	return stand.Command{Name: "provider", Path: b.self, Args: []string{"provider"}, Ready: provider.Ready}
}

// all measures the rows that were asked for.
func (b *bench) all(ctx context.Context) (report.Report, error) {
	found := report.Report{When: time.Now(), Commit: commit(ctx), Rounds: b.rounds, Machine: machine(), Versions: versions(ctx)}
	for _, r := range rows {
		if len(b.rows) > 0 && !b.rows[r.number] {
			continue
		}
		fmt.Fprintf(b.progress, "row %d: %s\n", r.number, r.what)
		if r.rivals && b.rivals == "" {
			if err := b.buildRivals(ctx); err != nil {
				return found, err
			}
		}
		lines, err := r.measure(ctx, b)
		for i := range lines {
			lines[i].Row = r.number
		}
		found.Lines = append(found.Lines, lines...)
		if err != nil {
			return found, fmt.Errorf("row %d: %w", r.number, err)
		}
	}
	return found, nil
}
