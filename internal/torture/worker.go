package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/process"
	"github.com/regrant/regrant/internal/torture/faultproxy"
	"github.com/regrant/regrant/internal/torture/nemesis"
	"github.com/regrant/regrant/providers"
)

// worker is one process of the fleet under torture, and its ways to its servers.
type worker struct {
	*process.Process
	name string
	ways map[string]*faultproxy.Proxy // by nemesis.Ways
	log  *os.File
}

// program is what a fleet consists of.
type program struct {
	path, ready string
	args        []string // before --config FILE
}

// perHost is how many workers share a host's disk, and adopt each other's answers.
const perHost = 2

// host is the disk of the i-th host.
func (c *cell) host(i int) string { return filepath.Join(c.dir, fmt.Sprintf("host-%d", i)) }

// newWorker prepares the i-th worker: its proxies and its configuration.
func newWorker(i int, c *cell, p program) (w *worker, err error) {
	w = &worker{name: nemesis.Worker(i), ways: map[string]*faultproxy.Proxy{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for _, way := range nemesis.Ways {
		if w.ways[way], err = faultproxy.Start(target(c, way), faultproxy.DropOrphans); err != nil {
			return w, err
		}
	}
	path := filepath.Join(c.dir, w.name+".yaml")
	cfg := w.through(c)
	cfg.DataDir = c.host(i / perHost)
	if err := fleet.WriteFile(path, cfg); err != nil {
		return w, err
	}
	if w.log, err = os.Create(filepath.Join(c.dir, w.name+".log")); err != nil {
		return w, err
	}
	w.Process = process.New(process.Command{
		Path: p.path, Args: append(append([]string{}, p.args...), "--config", path), Dir: c.dir, Ready: p.ready, Log: w.log, Tail: tail,
	})
	return w, nil
}

// target is where a way leads.
func target(c *cell, way string) string {
	switch way {
	case "nats":
		return strings.TrimPrefix(c.Config.NATS.URL, "nats://")
	case "redis":
		return strings.TrimSuffix(strings.TrimPrefix(c.Config.Redis.URL, "redis://"), "/0")
	default:
		return strings.TrimPrefix(c.sim.URL(), "http://")
	}
}

// through is the cell's configuration with this worker's proxies in it. Browsers go
// to the provider directly, and what the provider calls itself stays.
func (w *worker) through(c *cell) config.Config {
	cfg := c.Config
	cfg.NATS.URL = "nats://" + w.ways["nats"].Addr()
	cfg.Redis.URL = "redis://" + w.ways["redis"].Addr() + "/0"
	cfg.Providers = map[string]providers.Profile{}
	for name, p := range c.Config.Providers {
		for _, url := range []*string{&p.TokenURL, &p.RevocationURL, &p.JWKSURL} {
			*url = strings.Replace(*url, c.sim.URL(), "http://"+w.ways["provider"].Addr(), 1)
		}
		cfg.Providers[name] = p
	}
	return cfg
}

// readyFor bounds the wait for a worker that was started again: its servers may be away.
const readyFor = 20 * time.Second

// begin starts the worker with a clock that is wrong by so much, and waits until it
// takes work. One that gives up because its servers are away is started again, as by
// whatever looks after processes; one that is not ready in time is left to it.
func (w *worker) begin(wrong time.Duration) error {
	limit := time.NewTimer(readyFor)
	defer limit.Stop()
	for {
		if err := w.Launch("REGRANT_CLOCK=" + wrong.String()); err != nil {
			return err
		}
		select {
		case <-w.Ready():
			return nil
		case <-limit.C:
			return nil
		case <-w.Exited():
		}
		select {
		case <-time.After(lockTTL / 4):
		case <-limit.C:
			return fmt.Errorf("%s ends by itself; it said:\n%s", w.name, w.Output())
		}
	}
}

// dismiss tells the worker to end, and waits for it.
func (w *worker) dismiss() error {
	if err := w.Signal(syscall.SIGTERM); err != nil {
		return nil // it has ended already
	}
	limit := time.NewTimer(2 * readyFor)
	defer limit.Stop()
	select {
	case <-w.Exited():
		if err := w.Wait(); err != nil {
			return fmt.Errorf("%s was told to end, and ended with %w; it said:\n%s", w.name, err, w.Output())
		}
		return nil
	case <-limit.C:
		return fmt.Errorf("%s was told to end, and did not within %v; it said:\n%s", w.name, 2*readyFor, w.Output())
	}
}

func (w *worker) close() error {
	var err error
	if w.Process != nil {
		w.Kill()
	}
	for _, p := range w.ways {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if w.log != nil {
		err = errors.Join(err, w.log.Close())
	}
	return err
}
