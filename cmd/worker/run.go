package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/worker"
	"github.com/regrant/regrant/locks"
	"github.com/regrant/regrant/seal"
)

type runCmd struct {
	RedisURL      string        `name:"redis-url" help:"Lock server, in any form that go-redis reads; left out: embedded." placeholder:"URL"`
	DataDir       string        `help:"Directory of the spool and of what is embedded." type:"path" placeholder:"DIR"`
	HTTPAddr      string        `name:"http-addr" help:"Serve /livez, /readyz and /metrics here." placeholder:"HOST:PORT"`
	EmbeddedNATS  string        `name:"embedded-nats" help:"Address of the embedded NATS server." placeholder:"HOST:PORT"`
	EmbeddedRedis string        `name:"embedded-redis" help:"Address of the embedded lock server." placeholder:"HOST:PORT"`
	LockTTL       time.Duration `name:"lock-ttl" help:"The one number behind all protocol times; the same for all workers of a cell (10s)." placeholder:"10s"`
}

func (r *runCmd) Run(ctx context.Context, c *cli.Common) (err error) {
	cfg, err := r.config(c)
	if err != nil {
		return err
	}
	log := c.Log()
	locks.RouteClientLog(log)
	local := !hasServer(cfg)
	if _, err := loadKeys(c, cfg, false); err != nil && (!local || !errors.Is(err, seal.ErrNoKeys)) {
		return err
	}
	parts, err := startParts(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, parts.Close()) }()
	cfg = parts.cfg
	keys, err := loadKeys(c, cfg, local) // new ones only where the servers are ours
	if err != nil {
		return err
	}
	if local {
		report, err := provision(ctx, c, cfg)
		if err != nil {
			return err
		}
		log.Info("provisioned", "created", report.Created, "updated", report.Updated)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w, err := worker.Start(ctx, worker.Options{Config: cfg, Keys: keys, Log: log, Registry: registry, Probe: probe()})
	if err != nil {
		return err
	}
	if cfg.HTTPAddr != "" {
		endpoint, err := worker.Serve(cfg.HTTPAddr, registry, w.Ready)
		if err != nil {
			return errors.Join(err, stop(w, cfg))
		}
		defer func() { err = errors.Join(err, endpoint.Close(context.WithoutCancel(ctx))) }()
		log.Info("serving", "http", endpoint.Addr())
	}
	log.Info("worker ready", "prefix", cfg.NATS.Prefix, "providers", cfg.ProviderNames())
	<-ctx.Done()
	log.Info("stopping: no more work is taken, what is in work is finished and saved")
	return stop(w, cfg)
}

// stop gives provider calls the time that the longest of them may take.
func stop(w *worker.Worker, cfg config.Config) error {
	b := cfg.Budget()
	ctx, cancel := context.WithTimeout(context.Background(), b.DeadlineOnce+b.Recovery)
	defer cancel()
	return w.Stop(ctx)
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

// loadKeys reads the key file. With everything embedded a missing one is made,
// and said; with a server that others share it must be given.
func loadKeys(c *cli.Common, cfg config.Config, make bool) (*seal.Keys, error) {
	keys, err := seal.Load(cfg.Keys.File)
	if !errors.Is(err, seal.ErrNoKeys) || !make {
		return keys, badKeys(err)
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
