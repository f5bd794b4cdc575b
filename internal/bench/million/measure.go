package million

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/regrant/regrant/internal/bench/stand"
)

// Config says how much to measure.
type Config struct {
	// Dir is made by the caller, who removes it. A million links take 6 GB of it.
	Dir string
	// Links of the large population and of the small one; zero: 1,000,000 and 1,000.
	Links, Few int
	// Samples is how many refreshes of each are timed one by one; zero: 300. Two thirds as
	// many are then reported at once, and a third is timed before. No link is refreshed twice.
	Samples int
	// WholeScan waits for the end of the reconciler's first scan, which takes its time on
	// purpose: a quarter of an hour and more.
	WholeScan bool
	// Provider is the command that serves internal/bench/provider.
	Provider stand.Command
	// Progress takes a line for each step.
	Progress io.Writer
}

// Result is what was measured.
type Result struct {
	Links int `json:"links"`
	// Import is the time of `worker links import`, ImportRSS its memory.
	Import    time.Duration `json:"import_ns"`
	ImportRSS stand.Bytes   `json:"import_rss"`
	// ServerRestart is from the start of the NATS server to its word that it is ready.
	ServerRestart time.Duration `json:"server_restart_ns"`
	// Ready is from the start of the worker to its first good /readyz.
	Ready, ReadyFew time.Duration
	// ListUser is one run of `worker links list --user`, Doctor one of `worker doctor`.
	ListUser, Doctor time.Duration
	// Cold holds the first refreshes after the start of the servers, without bursts;
	// Scanning those while the first scan is under way, Quiet those after it.
	Cold     Compared  `json:"cold"`
	Scanning Compared  `json:"scanning"`
	Quiet    *Compared `json:"quiet,omitempty"`
	// Worker is the memory of the worker, Server that of the NATS server, at the end.
	Worker, Server, WorkerFew, ServerFew stand.Memory
	// Presentations of one refresh token at most, and of all by the number of tokens.
	Most, Presentations, Tokens int
}

// Measure sets both populations up and compares them.
func Measure(ctx context.Context, c Config) (r Result, err error) {
	c.Links, c.Few, c.Samples = cmp.Or(c.Links, 1_000_000), cmp.Or(c.Few, 1000), cmp.Or(c.Samples, 300)
	r.Links = c.Links
	few, err := c.open(ctx, "few", c.Few)
	if err != nil {
		return r, err
	}
	defer few.close()
	many, err := c.open(ctx, "many", c.Links)
	if err != nil {
		return r, err
	}
	defer many.close()
	if err := c.fill(ctx, few, many, &r); err != nil {
		return r, err
	}
	if err := c.refreshes(ctx, few, many, &r); err != nil {
		return r, err
	}
	return r, c.sum(ctx, few, many, &r)
}

// fill imports both and starts their workers.
func (c Config) fill(ctx context.Context, few, many *population, r *Result) (err error) {
	if _, _, err := few.imports(ctx); err != nil {
		return err
	}
	if r.ReadyFew, err = few.work(ctx); err != nil {
		return err
	}
	if err := few.scanned(ctx); err != nil {
		return err
	}
	if r.Import, r.ImportRSS, err = many.imports(ctx); err != nil {
		return err
	}
	c.say("imported %d links in %.0f s, %.0f/s, %s", c.Links, r.Import.Seconds(), float64(c.Links)/r.Import.Seconds(), r.ImportRSS)
	if r.ServerRestart, err = many.restartServer(ctx); err != nil {
		return err
	}
	c.say("NATS restarted in %.2f s", r.ServerRestart.Seconds())
	if r.Ready, err = many.work(ctx); err != nil {
		return err
	}
	c.say("worker ready in %.2f s, with %d links in %.2f s; %s", r.Ready.Seconds(), c.Few, r.ReadyFew.Seconds(), many.worker.Memory())
	return nil
}

// refreshes compares while the scan goes on and, where that is wanted, after it.
func (c Config) refreshes(ctx context.Context, few, many *population, r *Result) (err error) {
	if r.Cold, err = oneByOne(ctx, c.Samples/3, few, many); err != nil {
		return err
	}
	c.say("the first after the start: p50 %.2f ms against %.2f", ms(r.Cold.Many.P50), ms(r.Cold.Few.P50))
	if err := c.warm(ctx, many); err != nil {
		return err
	}
	if r.Scanning, err = c.compare(ctx, few, many); err != nil {
		return err
	}
	c.say("while scanning: %s; %s", r.Scanning, many.worker.Memory())
	if r.ListUser, err = many.command(ctx, "links", "list", "--user", "user-"+many.link(0)); err != nil {
		return err
	}
	r.Doctor, _ = many.command(ctx, "doctor") // it exits 1 where anything is not proven
	c.say("links list --user: %.2f s, doctor: %.2f s", r.ListUser.Seconds(), r.Doctor.Seconds())
	if !c.WholeScan {
		return nil
	}
	if err := many.scanned(ctx); err != nil {
		return err
	}
	quiet, err := c.compare(ctx, few, many)
	r.Quiet = &quiet
	c.say("after the scan: %s; %s", quiet, many.worker.Memory())
	return err
}

// sum takes the memory and the counts.
func (c Config) sum(ctx context.Context, few, many *population, r *Result) error {
	r.Worker, r.WorkerFew = many.worker.Memory(), few.worker.Memory()
	r.Server, r.ServerFew = many.stand.Server("nats").Memory(), few.stand.Server("nats").Memory()
	c.say("worker %s, NATS server %s", r.Worker, r.Server)
	for _, p := range []*population{few, many} {
		counts, err := p.cell.Counts(ctx)
		if err != nil {
			return err
		}
		r.Tokens, r.Presentations, r.Most = r.Tokens+counts.Tokens, r.Presentations+counts.Presentations, max(r.Most, counts.Most)
	}
	return nil
}

func (c Config) say(format string, args ...any) {
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, format+"\n", args...)
	}
}

// open starts the servers of one population.
func (c Config) open(ctx context.Context, name string, links int) (p *population, err error) {
	dir := filepath.Join(c.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p = &population{dir: dir, links: links}
	if p.stand, err = stand.Open(stand.Config{Dir: dir, Provider: c.Provider}); err != nil {
		return nil, err
	}
	if p.cell, err = p.stand.Cell(ctx, map[string]time.Duration{op: 0}); err != nil {
		p.close()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}
