package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
)

type restoredCmd struct {
	BackupTime string `help:"When the backup was made: RFC 3339, or how long ago. In doubt, the time at which the store was started again: late is safe, early is not." required:"" placeholder:"TIME"`
	Tenant     string `help:"Only of this tenant."`
	Provider   string `help:"Only at this provider."`
	Rate       int    `help:"How many links are seen to a second." default:"500"`
	DryRun     bool   `help:"Say what would become of the links, and do nothing."`
}

// restoration is what a run did, or would.
type restoration struct {
	BackupTime time.Time               `json:"backup_time"`
	DryRun     bool                    `json:"dry_run,omitempty"`
	Counts     map[links.Fate]int      `json:"counts"`
	Failed     int                     `json:"failed"`
	Links      []handlers.RestoredLink `json:"links"`
}

// Run marks what may have been presented since the backup. It needs no worker.
func (r *restoredCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	at, err := r.moment(time.Now())
	if err != nil {
		return err
	}
	v, err := openVault(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close(ctx)) }()
	restorer := worker.Restorer(v.cfg, v.bus, v.store, v.keys, at, time.Second/time.Duration(r.Rate))
	all, err := restorer.Links(ctx, events.Address{Tenant: r.Tenant, Provider: r.Provider})
	passed := err // records that cannot be read: the others need not wait for them
	if err != nil && !errors.As(err, new(*links.Unreadable)) {
		return err
	}
	defer func() { err = errors.Join(err, passed) }()
	if !r.DryRun {
		if err := v.run().Before(ctx, r.entry(at, len(all))); err != nil {
			return err
		}
	}
	out := restoration{BackupTime: at, DryRun: r.DryRun, Counts: map[links.Fate]int{}, Links: []handlers.RestoredLink{}}
	bar := c.Progress("links seen to", len(all))
	err = restorer.Each(ctx, all, r.DryRun, func(l handlers.RestoredLink) { bar.Step(); out.note(l) })
	bar.End()
	if err != nil {
		return fmt.Errorf("after %d of %d links: %w; run it again, what was done stays done", len(out.Links), len(all), err)
	}
	return out.print(c)
}

func (r *restoredCmd) moment(now time.Time) (time.Time, error) {
	if err := positive("rate", r.Rate); err != nil {
		return time.Time{}, err
	}
	at, err := cli.Moment("backup-time", r.BackupTime, now)
	switch {
	case err != nil:
		return at, err
	case at.IsZero() || at.After(now):
		return at, fmt.Errorf("%w: --backup-time must lie in the past, it says %s", cli.ErrBadInput, at.Format(time.RFC3339))
	}
	return at, nil
}

func (r *restoredCmd) entry(at time.Time, n int) audit.Entry {
	details := map[string]string{"backup_time": at.UTC().Format(time.RFC3339Nano), "links": fmt.Sprint(n)}
	return audit.Entry{Action: audit.Restored, Tenant: r.Tenant, Provider: r.Provider, Outcome: "begun", Details: details}
}

func (o *restoration) note(l handlers.RestoredLink) {
	o.Links = append(o.Links, l)
	if l.Problem != "" {
		o.Failed++
		return
	}
	o.Counts[l.Fate]++
}

func (o *restoration) print(c *cli.Common) error {
	if c.JSON {
		if err := c.Print(o); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(c.Out, o.sentence())
	}
	for _, l := range o.Links {
		if l.Problem != "" {
			return fmt.Errorf("%d links were not seen to, and their workers must not start: %s: %s; run it again with the keys file that sealed them", o.Failed, l.Address, l.Problem)
		}
	}
	return nil
}

// fates are the fates in words, for people.
var fates = map[links.Fate]string{
	links.FateUncertain: "uncertain: served while their bearers live, then their users are asked",
	links.FateNewer:     "newer than the backup, left alone",
	links.FateGoesOn:    "go on: what they present may be presented again",
	links.FateWaits:     "wait for their users anyway",
	links.FateEnded:     "have ended",
	links.FateMarked:    "seen to before",
}

func (o *restoration) sentence() string {
	would := ""
	if o.DryRun {
		would = " Nothing was changed."
	}
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(o.Counts)) {
		parts = append(parts, fmt.Sprintf("\n%7d %s", o.Counts[f], fates[f]))
	}
	return fmt.Sprintf("%d links, backup of %s.%s%s", len(o.Links), o.BackupTime.UTC().Format(time.RFC3339), would, strings.Join(parts, ""))
}
