package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/process"
)

const (
	// lockTTL is a tenth of production's: recovery is a matter of seconds.
	lockTTL = time.Second
	// workers is the size of the fleet.
	workers = 8
	// linksEach is how many links each provider has.
	linksEach = 40
)

// cell is everything that runs: servers, a provider, workers, and what is between them.
type cell struct {
	*fleet.Cell
	dir         string
	nats, redis *server
	sim         *simulator
	workers     []*worker
	families    map[string]events.Address
	log         *os.File
}

// newCell starts the servers and provisions; workers come later.
func newCell(ctx context.Context, dir string) (c *cell, err error) {
	c = &cell{dir: dir, families: map[string]events.Address{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, err
	}
	if c.log, err = os.Create(filepath.Join(dir, "driver.log")); err != nil {
		return c, err
	}
	if c.nats, err = startNATS(dir); err != nil {
		return c, err
	}
	if c.redis, err = startRedis(dir); err != nil {
		return c, err
	}
	if c.sim, err = startSimulator(dir); err != nil {
		return c, err
	}
	simulated := map[string]fleet.Provider{}
	for _, k := range kinds {
		if simulated[k.name], err = k.provider(); err != nil {
			return c, err
		}
	}
	c.Cell, err = fleet.New(ctx, fleet.Options{
		Dir: dir, NATSURL: "nats://" + c.nats.addr, RedisURL: "redis://" + c.redis.addr + "/0", LockTTL: lockTTL,
		Simulator: c.sim, Providers: simulated, Log: slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	return c, err
}

// link imports the first links of every provider.
func (c *cell) link(ctx context.Context) (made []fleet.Link, err error) {
	for _, k := range kinds {
		some, err := c.Import(ctx, k.name, linksEach)
		if err != nil {
			return made, err
		}
		made = append(made, some...)
	}
	for _, l := range made {
		c.families[l.Family] = l.Address
	}
	return made, nil
}

// staff starts the workers and waits until they take work.
func (c *cell) staff(p program) error {
	for i := range workers {
		w, err := newWorker(i, c, p)
		if err != nil {
			return err
		}
		c.workers = append(c.workers, w)
	}
	errs := make([]error, workers)
	var all sync.WaitGroup
	for i, w := range c.workers {
		all.Go(func() { errs[i] = w.Start() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// ways tells which worker asks the provider by which address.
func (c *cell) ways() map[string]string {
	all := map[string]string{}
	for _, w := range c.workers {
		all[w.ways["provider"].Addr()] = w.name
	}
	return all
}

// heal makes sure that everything runs.
func (c *cell) heal() error {
	for _, s := range []*server{c.nats, c.redis} {
		select {
		case <-s.Exited():
			if err := s.Start(); err != nil {
				return err
			}
		default:
		}
	}
	for _, w := range c.workers {
		select {
		case <-w.Exited():
			if err := w.begin(0); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		default:
		}
	}
	return nil
}

// dismiss ends the workers as an operator does: what they have in hand they finish,
// and nothing changes any more.
func (c *cell) dismiss() error {
	errs := make([]error, len(c.workers))
	var all sync.WaitGroup
	for i, w := range c.workers {
		all.Go(func() { errs[i] = w.dismiss() })
	}
	all.Wait()
	return errors.Join(append(errs, c.retire())...)
}

// retire kills the workers that are left, and closes their ways.
func (c *cell) retire() (err error) {
	for _, w := range c.workers {
		err = errors.Join(err, w.close())
	}
	c.workers = nil
	return err
}

// close ends everything that was started.
func (c *cell) close() error {
	err := c.retire()
	if c.Cell != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(err, c.Close(ctx))
	}
	if c.sim != nil {
		c.sim.close()
	}
	c.redis.close()
	c.nats.close()
	if c.log != nil {
		err = errors.Join(err, c.log.Close())
	}
	return err
}

// regrant is the fleet that is judged.
func regrant() (program, error) {
	path, err := process.Build("./cmd/worker", "failpoint")
	return program{path: path, args: []string{"run"}, ready: "worker ready"}, err
}
