package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/seal"
)

type runCmd struct {
	RedisURL       string `name:"redis-url" help:"Lock server, in any form that go-redis reads; left out: embedded." placeholder:"URL"`
	DataDir        string `help:"Directory of the spool and of what is embedded." type:"path" placeholder:"DIR"`
	HTTPAddr       string `name:"http-addr" help:"Serve /livez, /readyz and /metrics here." placeholder:"HOST:PORT"`
	EmbeddedNATS   string `name:"embedded-nats" help:"Address of the embedded NATS server." placeholder:"HOST:PORT"`
	EmbeddedRedis  string `name:"embedded-redis" help:"Address of the embedded lock server." placeholder:"HOST:PORT"`
	RequireDurable bool   `help:"Refuse to start unless it is proven that NATS has on disk what it confirmed."`
	proofFlags
	LockTTL time.Duration `name:"lock-ttl" help:"The one number behind all protocol times; the same for all workers of a cell (10s)." placeholder:"10s"`
}

// heapFloor keeps the garbage collector from running every few megabytes: what a
// worker has alive is little, and each run looks at the stacks of all flights. It is
// never written to: the price is as much garbage beside it.
const heapFloor = 64 << 20

func (r *runCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	cfg, err := r.config(c)
	if err != nil {
		return err
	}
	log := c.Log()
	locks.RouteClientLog(log)
	local := !hasServer(cfg)
	if _, err := loadKeys(cfg); err != nil && (!local || !errors.Is(err, seal.ErrNoKeys)) {
		return err
	}
	id := worker.ID()
	tracer, exported, err := traces(ctx, os.Getenv, id, log)
	if err != nil {
		return err
	}
	defer exported()
	parts, err := startParts(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, parts.Close()) }()
	cfg = parts.cfg
	if local {
		report, err := provision(ctx, c, cfg)
		if err != nil {
			return err
		}
		log.Info("provisioned", "created", report.Created, "updated", report.Updated)
	}
	keys, err := loadKeys(cfg)
	if local && errors.Is(err, seal.ErrNoKeys) {
		keys, err = firstKeys(ctx, c, cfg)
	}
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return work(ctx, worker.Options{Config: cfg, Keys: keys, ID: id, Log: log, Registry: registry, Tracer: tracer, Version: cli.Version(), Probe: probe(), Clock: clock()}, registry, func() error { return r.requireDurable(ctx, parts, log) })
}

// requireDurable looks at the configured servers, and at what this process brings.
func (r *runCmd) requireDurable(ctx context.Context, p *parts, log *slog.Logger) error {
	if !r.RequireDurable {
		return nil
	}
	cfg, proof := p.cfg, r.proof()
	proof.Embedded = p.nats != nil && p.nats.SyncAlways()
	if p.redis != nil {
		cfg.Redis.URL = "" // our own promises nothing, and nothing rests on it
	}
	return requireDurable(ctx, proof, cfg, log)
}

var errStarting = errors.New("starting: NATS was not reached yet")

// work runs a worker until ctx ends, if check lets it. Probes are answered before NATS
// is reached, which may take as long as it likes: alive, and not ready.
func work(ctx context.Context, o worker.Options, metrics prometheus.Gatherer, check func() error) (err error) {
	var started atomic.Pointer[worker.Worker]
	if addr := o.Config.HTTPAddr; addr != "" {
		endpoint, err := worker.Serve(addr, metrics, func() error {
			if w := started.Load(); w != nil {
				return w.Ready()
			}
			return errStarting
		})
		if err != nil {
			return fmt.Errorf("%w; free it or choose another --http-addr", err)
		}
		defer func() { err = errors.Join(err, endpoint.Close(context.WithoutCancel(ctx))) }()
		o.Log.Info("serving", "http", endpoint.Addr())
	}
	var w *worker.Worker
	if err = check(); err == nil {
		w, err = worker.Start(ctx, o)
	}
	if err != nil && ctx.Err() != nil {
		o.Log.Info("told to end before the worker was ready", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	started.Store(w)
	o.Log.Info("worker ready", "prefix", o.Config.NATS.Prefix, "providers", o.Config.ProviderNames())
	<-ctx.Done()
	o.Log.Info("stopping: no more work is taken, what is in work is finished and saved; the same signal again ends it at once", "at_most", grace(o.Config))
	return stop(w, o.Config)
}

// stop lets what is in work end.
func stop(w *worker.Worker, cfg config.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace(cfg))
	defer cancel()
	return w.Stop(ctx)
}

// grace is the time that the longest provider call and its save may take.
func grace(cfg config.Config) time.Duration {
	b := cfg.Budget()
	return b.DeadlineOnce + b.Recovery
}

func (r *runCmd) config(c *cli.Common) (config.Config, error) {
	cfg, err := c.Load()
	if err != nil {
		return cfg, err
	}
	for _, flag := range []struct {
		set  string
		over *string
	}{
		{r.RedisURL, &cfg.Redis.URL}, {r.DataDir, &cfg.DataDir}, {r.HTTPAddr, &cfg.HTTPAddr},
		{r.EmbeddedNATS, &cfg.NATS.Embedded}, {r.EmbeddedRedis, &cfg.Redis.Embedded},
	} {
		if flag.set != "" {
			*flag.over = flag.set
		}
	}
	if r.LockTTL != 0 {
		cfg.LockTTL = r.LockTTL
	}
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return cfg, err
	}
	if len(cfg.Providers) == 0 {
		return cfg, fmt.Errorf("%w: no provider is configured; add one under `providers` and name the file with --config, or see `worker demo`", config.ErrConfig)
	}
	return cfg, worker.Check(cfg)
}

func hasServer(cfg config.Config) bool { return cfg.NATS.URL != "" }

// loadKeys reads the key file.
func loadKeys(cfg config.Config) (*seal.Keys, error) {
	keys, err := seal.Load(cfg.Keys.File)
	return keys, badKeys(err)
}

// firstKeys makes the keys of a cell that this process brings itself, and says
// so. Where links are stored already their keys are lost, not yet to be made:
// others in their place would turn a file to restore into links to repair.
func firstKeys(ctx context.Context, c *cli.Common, cfg config.Config) (keys *seal.Keys, err error) {
	cell, err := connectCell(ctx, c, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cell.Close(ctx)) }()
	sealed := false
	err = cell.store.List(ctx, events.Address{}, func(links.Stored) bool { sealed = true; return false })
	if err != nil {
		return nil, err
	}
	if sealed {
		return nil, fmt.Errorf("%w: there is no keys file %s, and links are stored that only it opens: restore it from a copy; to begin without these links, give another --data-dir", config.ErrConfig, cfg.Keys.File)
	}
	if keys, err = newKeys(cfg.Keys.File); err == nil {
		c.Log().Warn("made new keys: keep a copy, without them every link is lost", "file", cfg.Keys.File)
	}
	return keys, err
}

func badKeys(err error) error {
	if errors.Is(err, seal.ErrNoKeys) || errors.Is(err, seal.ErrReadable) || errors.Is(err, seal.ErrMalformed) {
		return fmt.Errorf("%w: %w", config.ErrConfig, err)
	}
	return err
}

// parts are the servers that this process brings itself.
type parts struct {
	cfg   config.Config
	nats  *embedded.NATS
	redis *embedded.Redis
}

func startParts(ctx context.Context, cfg config.Config, log *slog.Logger) (p *parts, err error) {
	p = &parts{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if cfg.NATS.URL == "" {
		host, port, err := splitAddr(cfg.NATS.Embedded)
		if err != nil {
			return p, fmt.Errorf("%w: nats.embedded: %w", config.ErrConfig, err)
		}
		p.nats, err = embedded.StartNATS(ctx, embedded.NATSConfig{
			Host: host, Port: port, StoreDir: filepath.Join(cfg.DataDir, "nats"), SyncAlways: true, Log: log,
		})
		if err != nil {
			return p, fmt.Errorf("%w; if another worker runs here, give this one its servers with --nats-url and --redis-url, else free the address or choose --embedded-nats", err)
		}
		p.cfg.NATS.URL = p.nats.URL()
		log.Info("embedded NATS", "url", p.cfg.NATS.URL)
	}
	if cfg.Redis.URL == "" {
		p.redis, err = embedded.StartRedis(ctx, embedded.RedisConfig{Addr: cfg.Redis.Embedded})
		if err != nil {
			return p, fmt.Errorf("%w; if another worker runs here, give this one its lock server with --redis-url, else free the address or choose --embedded-redis", err)
		}
		p.cfg.Redis.URL = p.redis.URL()
		log.Info("embedded lock server", "url", p.cfg.Redis.URL)
		if hasServer(cfg) {
			log.Warn("workers that share NATS do not share this worker's own lock server: nothing is refreshed twice, but they get in each other's way; give all of them one redis.url")
		}
	}
	return p, nil
}

// Close ends the servers, the locks first.
func (p *parts) Close() (err error) {
	if p.redis != nil {
		err = p.redis.Close()
	}
	if p.nats != nil {
		err = errors.Join(err, p.nats.Close())
	}
	return err
}

func splitAddr(addr string) (string, int, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(port)
	if n == 0 {
		n = -1 // any free port, as everywhere else
	}
	return host, n, err
}
