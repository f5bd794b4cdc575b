package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/providers"
)

// stage is everything that runs on Regrant's side of the demo.
type stage struct {
	nats     *embedded.NATS
	redis    *embedded.Redis
	cell     *fleet.Cell
	workers  []*worker.Worker
	services []*bus.Bus
}

// setUp starts the servers, the simulator, the workers and the services'
// connections. What was started is returned also with an error, to be closed.
func setUp(ctx context.Context, o Options, dir string) (s *stage, err error) {
	s = &stage{}
	natsConfig := embedded.NATSConfig{Port: -1, StoreDir: filepath.Join(dir, "nats"), SyncAlways: true, Log: o.Log}
	if s.nats, err = embedded.StartNATS(ctx, natsConfig); err != nil {
		return s, err
	}
	if s.redis, err = embedded.StartRedis(ctx, embedded.RedisConfig{}); err != nil {
		return s, err
	}
	simulated, err := o.simulated()
	if err != nil {
		return s, err
	}
	s.cell, err = fleet.New(ctx, fleet.Options{
		Dir: dir, NATSURL: s.nats.URL(), RedisURL: s.redis.URL(), LockTTL: o.LockTTL, Providers: simulated, Log: o.Log,
	})
	if err != nil {
		return s, err
	}
	return s, s.man(ctx, o)
}

// man starts the workers and connects the services.
func (s *stage) man(ctx context.Context, o Options) error {
	for i := range o.Workers {
		w, err := s.cell.Start(ctx, fmt.Sprintf("worker-%d", i+1), nil)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, w)
	}
	for range Services {
		b, err := s.cell.Connect(ctx, "reporter")
		if err != nil {
			return err
		}
		s.services = append(s.services, b)
	}
	return nil
}

func (o Options) simulated() (map[string]fleet.Provider, error) {
	behaviours, err := o.behaviours()
	if err != nil {
		return nil, err
	}
	all := map[string]fleet.Provider{}
	for name, b := range behaviours {
		profile, err := providers.Builtin(name)
		if err != nil {
			return nil, err
		}
		all[name] = fleet.Provider{Behaviour: b, Profile: profile}
	}
	return all, nil
}

// importLinks makes the links of all providers, and kills their bearers.
func (s *stage) importLinks(ctx context.Context, o Options) ([]fleet.Link, error) {
	o.Progress.Begin("links imported", o.Links)
	defer o.Progress.End()
	var all []fleet.Link
	for i, provider := range o.Providers {
		made, err := s.cell.Import(ctx, provider, share(o.Links, len(o.Providers), i))
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
		o.Progress.Set(len(all))
	}
	for _, l := range all {
		s.cell.Sim.Kill(l.Family)
	}
	return all, nil
}

// stopWorkers lets the workers finish what they have begun. Afterwards nobody
// presents anything any more: what the ledger says then is final.
func (s *stage) stopWorkers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	errs := make([]error, len(s.workers))
	_ = each(ctx, len(s.workers), func(ctx context.Context, i int) error {
		errs[i] = s.workers[i].Stop(ctx)
		return nil
	})
	return errors.Join(errs...)
}

// stopLimit is far more than the simulated providers take to answer.
const stopLimit = 20 * time.Second

// close ends everything, the servers last.
func (s *stage) close(ctx context.Context) error {
	errs := []error{s.stopWorkers(ctx)}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	for _, b := range s.services {
		errs = append(errs, b.Close(ctx))
	}
	if s.cell != nil {
		errs = append(errs, s.cell.Close(ctx))
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	if s.nats != nil {
		errs = append(errs, s.nats.Close())
	}
	return errors.Join(errs...)
}
