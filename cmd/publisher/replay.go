package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/replay"
)

type replayCmd struct {
	Since    string   `help:"From what was stored since: an RFC 3339 time, or how long ago, such as 1h." placeholder:"TIME"`
	Until    string   `help:"To what was stored before: an RFC 3339 time, or how long ago." placeholder:"TIME"`
	Seq      string   `help:"Only these numbers of the stream: N, N-M or N-." placeholder:"N-M"`
	Type     []string `help:"Only events of these names: inputs, or with --to outputs. Several are joined by commas, or given one by one." placeholder:"NAME"`
	Tenant   string   `help:"Only of this tenant."`
	Provider string   `help:"Only of this provider."`
	Link     string   `help:"Only of this link."`
	To       string   `help:"Send stored outputs to this subject, in place of putting inputs before the workers." placeholder:"SUBJECT"`
	DryRun   bool     `help:"Say of each event what would happen and why, and do nothing."`
	Rate     float64  `help:"How many events a second at most; 0: as fast as it goes." default:"500"`
	Resume   string   `help:"Go on with a run that was interrupted, from the file that it named." type:"path" placeholder:"FILE"`
}

func (r *replayCmd) Run(ctx context.Context, c *cli.Common) error {
	return operate(ctx, c, func(b *bus.Bus) error {
		run := runOf(c, b)
		p, err := r.position(b.Names(), run.ID, time.Now())
		if err != nil {
			return err
		}
		run.ID = p.Run
		cfg, err := c.Load()
		if err != nil {
			return err
		}
		re := &replay.Replay{Bus: b, Position: p, DryRun: r.DryRun, Wait: r.wait()}
		if err := re.Begin(ctx); err != nil {
			return err
		}
		return r.replay(ctx, c, run, re, r.file(cfg.Defaults(), p.Run))
	})
}

// wait is the rate; nil without one.
func (r *replayCmd) wait() func(context.Context) error {
	if r.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.Rate), 1).Wait
}

func (r *replayCmd) file(cfg config.Config, run string) string {
	if r.Resume != "" {
		return r.Resume
	}
	return filepath.Join(cfg.DataDir, "replay", run+".json")
}

// position is where the run begins: at a selection's beginning, or where another ended.
func (r *replayCmd) position(names bus.Names, run string, now time.Time) (p replay.Position, err error) {
	p = replay.Position{Run: run}
	if r.Resume == "" {
		p.Selection, err = r.selection(now)
		return p, errors.Join(err, bad(p.Selection.Validate(names)))
	}
	if r.DryRun || len(r.Type) > 0 || r.Since+r.Until+r.Seq+r.Tenant+r.Provider+r.Link+r.To != "" {
		return p, fmt.Errorf("%w: --resume goes on with what was chosen before: give no other choice beside it", cli.ErrBadInput)
	}
	if p, err = replay.Load(r.Resume); err != nil {
		return p, bad(err)
	}
	return p, bad(p.Selection.Validate(names))
}

func bad(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", cli.ErrBadInput, err)
}

func (r *replayCmd) selection(now time.Time) (s replay.Selection, err error) {
	s = replay.Selection{Types: names(r.Type), Address: events.Address{Tenant: r.Tenant, Provider: r.Provider, Link: r.Link}, To: r.To}
	if s.Since, err = cli.Moment("since", r.Since, now); err != nil {
		return s, err
	}
	if s.Until, err = cli.Moment("until", r.Until, now); err != nil {
		return s, err
	}
	s.First, s.Last, err = numbers(r.Seq)
	if err == nil && r.Since == "" && r.Until == "" && r.Seq == "" {
		err = fmt.Errorf("%w: say what is to be replayed, by --since, --until or --seq", cli.ErrBadInput)
	}
	return s, err
}

func names(words []string) (all []events.Name) {
	for _, word := range words {
		all = append(all, events.Name(word))
	}
	return all
}

// numbers reads N, N-M or N-.
func numbers(text string) (first, last uint64, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, several := strings.Cut(text, "-")
	first, err = strconv.ParseUint(from, 10, 64)
	last = first
	if err == nil && several {
		if last = 0; to != "" {
			last, err = strconv.ParseUint(to, 10, 64)
		}
	}
	if err != nil || first == 0 {
		return 0, 0, fmt.Errorf("%w: --seq: %q is not N, N-M or N-, counted from 1", cli.ErrBadInput, text)
	}
	return first, last, nil
}

func (r *replayCmd) replay(ctx context.Context, c *cli.Common, run audit.Run, re *replay.Replay, file string) error {
	if !r.DryRun {
		if err := run.Before(ctx, entry(re.Position)); err != nil {
			return err
		}
		re.Save = func(p replay.Position) error { return keep(p, file) }
	}
	bar := c.Progress("replay", int(re.Counts.Total-re.Counts.Seen))
	re.Tell = func(result replay.Result) error {
		bar.Step()
		return r.print(c, result)
	}
	err := re.Do(ctx)
	bar.End()
	if err == nil {
		os.Remove(file)
		return r.sum(c, re.Position)
	}
	if r.DryRun || re.Selection.Last == 0 {
		return err
	}
	return errors.Join(fmt.Errorf("%w; %d of %d are done: go on with `publisher replay --resume %s`", err, re.Counts.Seen, re.Counts.Total, file), re.Position.Save(file))
}

// keepEvery is how many events a run may be ahead of its file. What a run that was killed
// had published beyond it, the stream of inputs shows.
const keepEvery = 100

func keep(p replay.Position, file string) error {
	if p.Counts.Seen%keepEvery != 1 {
		return nil
	}
	return p.Save(file)
}

// entry tells the audit what is about to be replayed.
func entry(p replay.Position) audit.Entry {
	s := p.Selection
	details := map[string]string{
		"events": fmt.Sprint(p.Counts.Total - p.Counts.Seen), "type": joined(s.Types), "to": s.To,
		"first": fmt.Sprint(max(s.First, p.Done+1)), "last": fmt.Sprint(s.Last),
	}
	for name, at := range map[string]time.Time{"since": s.Since, "until": s.Until} {
		if !at.IsZero() {
			details[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	maps.DeleteFunc(details, func(_, value string) bool { return value == "" })
	return audit.Entry{Action: audit.Replayed, Details: details}.About(s.Address)
}

func joined(names []events.Name) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ",")
}

// print shows one result: all of them in a dry run and with --json, else what was left.
func (r *replayCmd) print(c *cli.Common, result replay.Result) error {
	if c.JSON {
		return c.Print(result)
	}
	what := fmt.Sprintf("%d %s %s of %s", result.Sequence, result.StoredAt.Format(time.RFC3339), result.Type, result.Address)
	switch {
	case result.Left != "":
		fmt.Fprintf(c.Out, "%s: left: %s\n", what, result.Left)
	case result.Explanation != nil:
		fmt.Fprintf(c.Out, "%s: %s: %s (%s)\n", what, result.Verdict, result.Sentence, result.Reason)
	}
	return nil
}

func (r *replayCmd) sum(c *cli.Common, p replay.Position) error {
	if c.JSON {
		return c.Print(map[string]any{"run": p.Run, "counts": p.Counts})
	}
	if !r.DryRun {
		fmt.Fprintf(c.Out, "replayed %d of %d, left %d; the workers' logs tell under run %s what they did\n", p.Counts.Replayed, p.Counts.Seen, p.Counts.Left, p.Run)
		return nil
	}
	for _, verdict := range slices.Sorted(maps.Keys(p.Counts.Verdicts)) {
		fmt.Fprintf(c.Out, "%s %d\n", verdict, p.Counts.Verdicts[verdict])
	}
	fmt.Fprintf(c.Out, "%d events, %d left; %d would call a provider\n", p.Counts.Seen, p.Counts.Left, p.Counts.Calls)
	return nil
}
