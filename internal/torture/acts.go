package main

import (
	"fmt"
	"strings"

	"github.com/regrant/regrant/internal/torture/faultproxy"
	"github.com/regrant/regrant/internal/torture/nemesis"
)

// acts say how each kind of fault is done to this cell.
func (c *cell) acts() map[nemesis.Kind]nemesis.Act {
	return map[nemesis.Kind]nemesis.Act{
		nemesis.WorkerKill: c.kill, nemesis.WorkerClock: c.kill, nemesis.WorkerPause: c.pause,
		nemesis.NATSKill: killed(c.nats, nil), nemesis.NATSPause: paused(c.nats),
		nemesis.RedisKill: killed(c.redis, nil), nemesis.RedisKillEmpty: killed(c.redis, c.redis.empty), nemesis.RedisPause: paused(c.redis),
		nemesis.Partition:      c.way(func(p *faultproxy.Proxy, _ nemesis.Action) func() { p.Hold(); return p.Release }),
		nemesis.Cut:            c.way(func(p *faultproxy.Proxy, _ nemesis.Action) func() { p.Cut(); return nil }),
		nemesis.ReplyLost:      c.way(func(p *faultproxy.Proxy, _ nemesis.Action) func() { p.LoseReply(); return p.Disarm }),
		nemesis.ReplyTruncated: c.way(func(p *faultproxy.Proxy, _ nemesis.Action) func() { p.Truncate(); return p.Disarm }),
		nemesis.Delay: c.way(func(p *faultproxy.Proxy, a nemesis.Action) func() {
			p.Delay(a.Amount)
			return func() { p.Delay(0) }
		}),
		nemesis.ProviderPause: paused(c.sim.server),
		nemesis.Provider429:   c.scripted, nemesis.Provider503: c.scripted, nemesis.ProviderHang: c.scripted,
		nemesis.ProviderGarbage: c.scripted, nemesis.ProviderSlow: c.scripted, nemesis.ProviderReset: c.scripted,
	}
}

// worker finds the worker that a target names, or lies on the way from.
func (c *cell) worker(target string) (*worker, error) {
	name, _, _ := strings.Cut(target, "/")
	for _, w := range c.workers {
		if w.name == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("there is no %s", target)
}

func (c *cell) kill(a nemesis.Action) (func() error, error) {
	w, err := c.worker(a.Target)
	if err != nil {
		return nil, err
	}
	w.Kill()
	return func() error { return w.begin(a.Amount) }, nil
}

func (c *cell) pause(a nemesis.Action) (func() error, error) {
	w, err := c.worker(a.Target)
	if err != nil {
		return nil, err
	}
	return w.Cont, w.Stop()
}

func killed(s *server, then func() error) nemesis.Act {
	return func(nemesis.Action) (func() error, error) {
		s.Kill()
		if then != nil {
			if err := then(); err != nil {
				return nil, err
			}
		}
		return s.Start, nil
	}
}

func paused(s *server) nemesis.Act {
	return func(nemesis.Action) (func() error, error) { return s.Cont, s.Stop() }
}

// way does something to the proxy on the way that an action names.
func (c *cell) way(do func(*faultproxy.Proxy, nemesis.Action) (undo func())) nemesis.Act {
	return func(a nemesis.Action) (func() error, error) {
		w, err := c.worker(a.Target)
		if err != nil {
			return nil, err
		}
		_, way, _ := strings.Cut(a.Target, "/")
		undo := do(w.ways[way], a)
		return func() error {
			if undo != nil {
				undo()
			}
			return nil
		}, nil
	}
}

// scripted has the provider's next requests meet a fault.
func (c *cell) scripted(a nemesis.Action) (func() error, error) {
	_, provider, _ := strings.Cut(a.Target, "/")
	return func() error { return c.sim.unscript(provider) }, c.sim.script(provider, a.Kind, a.N)
}
