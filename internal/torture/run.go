package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/regrant/regrant/internal/torture/judge"
	"github.com/regrant/regrant/internal/torture/load"
	"github.com/regrant/regrant/internal/torture/nemesis"
	"github.com/regrant/regrant/seal"
)

// ordeal is one run: a fleet, its load, its nemesis.
type ordeal struct {
	options
	name   string
	length time.Duration
	say    *progress
	cell   *cell
	load   *load.Load
	faults []judge.Fault
	// watching waits for the end of what follows the records beside the store.
	watching func()
	failed   error // of a fault that could not be done, or not be taken back
}

// run sets up, lets load and nemesis have their time, heals, waits until everything is
// settled, and judges.
func (o *ordeal) run(ctx context.Context, baseline bool) (report judge.Report, err error) {
	o.say.phase(o.name + ": setting up")
	o.watching = func() {}
	if o.cell, err = newCell(ctx, filepath.Join(o.dir, o.name)); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, o.cell.close()) }()
	begin := o.regrant
	if baseline {
		begin = o.baseline
	}
	watching, unwatch := context.WithCancel(ctx)
	defer func() {
		unwatch()
		o.cell.Store.Wait()
		o.watching()
	}()
	if err := begin(watching); err != nil {
		return report, err
	}
	s := judge.Sources{
		NATSURL: "nats://" + o.cell.nats.addr, Ledger: ledgerIn(o.cell.sim.dir), Rules: ruled(), Workers: o.cell.ways(), Families: o.cell.families,
		Seed: o.seed, Commit: commit(), Machine: machine(), LockOnly: baseline, Begin: time.Now(),
	}
	if err := o.torment(ctx); err != nil {
		return report, err
	}
	s.End = time.Now()
	left := o.settled(ctx, baseline)
	s.Dismissed = time.Now()
	failed := errors.Join(o.failed, o.cell.dismiss())
	s.Faults = o.faults
	if s.Keys, err = seal.Load(o.cell.Config.Keys.File); err != nil {
		return report, err
	}
	o.say.phase(o.name + ": judging")
	if report, err = judge.Judge(ctx, s); err != nil {
		return report, err
	}
	if left != "" && !baseline {
		report.Breaches = append(report.Breaches, judge.Breach{Rule: "settled", What: fmt.Sprintf("after %v: %s", settleFor, left)})
	}
	if failed != nil && !baseline { // a fault that could not be done, or a worker that does not end as told
		report.Breaches = append(report.Breaches, judge.Breach{Rule: "carried out", What: failed.Error()})
	}
	return report, nil
}

// torment lets load and nemesis run beside each other, and heals.
func (o *ordeal) torment(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.length)
	defer cancel()
	log, err := os.Create(filepath.Join(o.cell.dir, "faults.ndjson"))
	if err != nil {
		return err
	}
	defer log.Close()
	schedule := nemesis.Schedule(o.seed, o.length, nemesis.Fleet{Workers: workers, Providers: names(), LockTTL: lockTTL})
	n := &nemesis.Nemesis{Acts: o.cell.acts(), Tell: func(d nemesis.Done) { o.told(log, d) }}
	var all sync.WaitGroup
	all.Go(func() { o.load.Run(ctx) })
	all.Go(func() { n.Run(ctx, schedule) })
	all.Go(func() { o.say.follow(ctx, o.name, o.length, n, o.load) })
	all.Wait()
	return o.cell.heal()
}

// told writes down a fault that is over.
func (o *ordeal) told(log *os.File, d nemesis.Done) {
	f := judge.Fault{Kind: string(d.Kind), Target: d.Target, Begin: d.Begin, End: d.End}
	o.faults = append(o.faults, f)
	o.say.fault(d)
	err := writeLine(log, f)
	if d.Err != nil {
		err = errors.Join(err, fmt.Errorf("%v: %w", d.Action, d.Err))
	}
	o.failed = errors.Join(o.failed, err)
}

func (o *ordeal) settled(ctx context.Context, baseline bool) string {
	o.say.phase(o.name + ": waiting until everything is settled")
	left := o.cell.left
	if baseline {
		left = o.cell.queued
	}
	return o.cell.settle(ctx, left)
}

// regrant begins the fleet that is judged, and the whole of the load.
func (o *ordeal) regrant(ctx context.Context) (err error) {
	o.load, err = load.New(ctx, load.Config{
		Cell: o.cell.Cell, Seed: o.seed, Rate: o.rate, Links: linksEach, Commands: o.cell.command, Settle: 5 * time.Second,
	})
	if err != nil {
		return err
	}
	made, err := o.cell.link(ctx)
	if err != nil {
		return err
	}
	o.load.Imported(made)
	p, err := regrant()
	if err != nil {
		return err
	}
	return o.cell.staff(p)
}
