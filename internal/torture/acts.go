package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/regrant/regrant/internal/torture/faultproxy"
	"github.com/regrant/regrant/internal/torture/nemesis"
	"github.com/regrant/regrant/providers/providertest"
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
		nemesis.Provider429:     c.scripted(providertest.Fault{Kind: providertest.Status429, RetryAfter: "1"}),
		nemesis.Provider503:     c.scripted(providertest.Fault{Kind: providertest.Status500, Status: http.StatusServiceUnavailable}),
		nemesis.ProviderHang:    c.scripted(providertest.Fault{When: providertest.After, Kind: providertest.Hang}),
		nemesis.ProviderGarbage: c.scripted(providertest.Fault{When: providertest.After, Kind: providertest.Garbage}),
		nemesis.ProviderSlow:    c.scripted(providertest.Fault{When: providertest.After, Kind: providertest.Delay, Delay: 3 * time.Second}),
		nemesis.ProviderReset:   c.scripted(providertest.Fault{When: providertest.After, Kind: providertest.Reset}),
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
func (c *cell) scripted(f providertest.Fault) nemesis.Act {
	return func(a nemesis.Action) (func() error, error) {
		_, provider, _ := strings.Cut(a.Target, "/")
		for range a.N {
			c.Sim.Script(provider, f)
		}
		return func() error { c.Sim.Unscript(provider); return nil }, nil
	}
}
