package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/audit"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/seal"
)

type keysDestroyCmd struct {
	Key     uint32 `arg:"" help:"The key's id, of worker keys list."`
	Workers int    `help:"How many workers run. As many must answer that they do not need the key." required:"" placeholder:"N"`

	StoppedHostsEmpty bool `help:"No host whose workers are stopped has anything in its spool. Without this, the key must have been retired for 31 days."`
	Rate              int  `help:"How many records are read a second." default:"1000"`
}

// outlived is how long after a key's retirement an answer that it sealed, on the disk
// of a host that stands still, is worth nothing any more: consent flows are forgotten
// by then, and whoever's link needed it has consented anew.
const outlived = 31 * 24 * time.Hour

func (d *keysDestroyCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	if err := positive("rate", d.Rate); err != nil {
		return err
	}
	v, err := openVault(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close(ctx)) }()
	for _, needed := range []func(context.Context, *cli.Common, *vault) error{d.inFile, d.byWorkers, d.here, d.inStore} {
		if err := needed(ctx, c, v); err != nil {
			return err
		}
	}
	entry := audit.Entry{Action: audit.KeyDestroyed, Details: map[string]string{"key": fmt.Sprint(d.Key)}}
	if err := v.edit(ctx, entry, func(k *seal.Keys) error { return k.Destroy(d.Key, time.Now()) }); err != nil {
		return err
	}
	if c.JSON {
		return c.Print(map[string]any{"file": v.cfg.Keys.File, "key": d.Key, "destroyed": true})
	}
	fmt.Fprintf(c.Out, "Destroyed key %d in %s. Copy the file to every host, and over every copy of it. A backup of the store from before the reseal does not open without the key.\n", d.Key, v.cfg.Keys.File)
	return nil
}

// unsafe is the refusal to destroy a key.
func (d *keysDestroyCmd) unsafe(format string, args ...any) error {
	return fmt.Errorf("%w: key %d is kept: %s", cli.ErrUnsafe, d.Key, fmt.Sprintf(format, args...))
}

// inFile looks at what the file says of the key.
func (d *keysDestroyCmd) inFile(_ context.Context, _ *cli.Common, v *vault) error {
	for _, k := range v.keys.List() {
		switch {
		case k.ID != d.Key || k.Status == seal.Destroyed:
		case k.Status == seal.Primary:
			return d.unsafe("it is the one that seals; rotate first")
		case k.Status == seal.Retired && !d.StoppedHostsEmpty && time.Since(k.Retired) < outlived:
			return d.unsafe("it was retired less than 31 days ago (%s), and a host whose workers are stopped may have answers that it sealed; look there, then say --stopped-hosts-empty", when(k.Retired))
		default:
			return nil
		}
	}
	return fmt.Errorf("%w: %w: %d; `worker keys list` shows what there is", cli.ErrBadInput, seal.ErrNoSuchKey, d.Key)
}

// byWorkers asks the workers, before the store is read: what one takes from its spool
// into a record meanwhile is found there.
func (d *keysDestroyCmd) byWorkers(ctx context.Context, _ *cli.Common, v *vault) error {
	workers, err := v.workers(ctx)
	if err != nil {
		return err
	}
	if len(workers) != d.Workers {
		return d.unsafe("%d workers answered, not %d; see which are cut off, or correct --workers", len(workers), d.Workers)
	}
	b := v.cfg.Budget()
	for _, w := range workers {
		if err := d.byWorker(w, b.DeadlineOnce+b.Recovery); err != nil {
			return err
		}
	}
	return nil
}

// byWorker refuses also while an answer that the worker sealed before it changed keys
// may be on its way.
func (d *keysDestroyCmd) byWorker(w api.WorkerKeys, underWay time.Duration) error {
	switch {
	case w.Primary == d.Key:
		return d.unsafe("worker %s seals with it; copy the keys file to its host", w.Worker)
	case w.SealsFor < int64(underWay/time.Second):
		return d.unsafe("worker %s has changed its key, or was started, %d seconds ago; wait until it is %s", w.Worker, w.SealsFor, underWay)
	case w.Spooled[d.Key] > 0:
		return d.unsafe("%d answers in the spool of worker %s need it; it finishes them as soon as it can", w.Spooled[d.Key], w.Worker)
	case w.Spooled[0] > 0:
		return d.unsafe("%d files in the spool of worker %s do not say which key they need; look at them", w.Spooled[0], w.Worker)
	}
	return nil
}

// here looks into the spools of this host, whose workers may be stopped.
func (d *keysDestroyCmd) here(_ context.Context, _ *cli.Common, v *vault) error {
	held, err := v.spooled()
	if err != nil {
		return err
	}
	if n := held[d.Key] + held[0]; n > 0 {
		return d.unsafe("%d answers in this host's spool need it, or do not say which key they need; start a worker here, which finishes them", n)
	}
	return nil
}

func (d *keysDestroyCmd) inStore(ctx context.Context, c *cli.Common, v *vault) error {
	found, err := v.survey(ctx, c, d.Rate, true)
	if err != nil {
		return err
	}
	if n := found.Values[d.Key]; n > 0 {
		return d.unsafe("%d stored values need it; run `worker keys reseal`", n)
	}
	return nil
}
