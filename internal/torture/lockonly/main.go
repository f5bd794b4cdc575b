// Command lockonly is the fleet that make torture runs beside Regrant's: what a careful
// team writes with a lock. It takes the lock before it refreshes, renews it, reads the
// record again under it, presents, saves, announces, and acks last; whoever does not
// get the lock comes back. It has no intent: nothing durable says that a token is
// about to be presented, so whoever comes next cannot tell that it was.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/bsm/redislock"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
	"github.com/regrant/regrant/locks"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, os.Args[1:], log); err != nil {
		log.Error("lockonly", "error", err)
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("lockonly", flag.ContinueOnError)
	path := flags.String("config", "", "the fleet's configuration file")
	natsURL := flags.String("nats-url", "", "NATS, where it is another than the file says")
	redisURL := flags.String("redis-url", "", "Redis, likewise")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg, err := config.Load(*path)
	if err != nil {
		return err
	}
	if *natsURL != "" {
		cfg.NATS.URL = *natsURL
	}
	if *redisURL != "" {
		cfg.Redis.URL = *redisURL
	}
	f, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer f.close()
	log.Info("lockonly ready")
	return f.work(ctx)
}

// member is one process of the fleet.
type member struct {
	cfg    config.Config
	log    *slog.Logger
	names  bus.Names
	nc     *nats.Conn
	js     jetstream.JetStream
	store  bare.Store
	locks  *redislock.Client
	apps   map[string]app
	closes []func() error
}

func open(ctx context.Context, cfg config.Config, log *slog.Logger) (f *member, err error) {
	f = &member{cfg: cfg, log: log, names: bus.Names{Prefix: cfg.NATS.Prefix}}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.apps, err = newApps(cfg); err != nil {
		return f, err
	}
	f.nc, err = nats.Connect(cfg.NATS.URL, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1))
	if err != nil {
		return f, err
	}
	f.closes = append(f.closes, func() error { f.nc.Close(); return nil })
	if f.js, err = jetstream.New(f.nc); err != nil {
		return f, err
	}
	if f.store, err = bare.Open(ctx, f.js); err != nil {
		return f, fmt.Errorf("bucket: %w", err)
	}
	client, err := locks.Dial(cfg.Redis.URL, cfg.Budget())
	if err != nil {
		return f, err
	}
	f.closes = append(f.closes, client.Close)
	f.locks = redislock.New(client)
	return f, nil
}

func (f *member) close() {
	for _, shut := range f.closes {
		_ = shut() // the process ends
	}
}

// concurrency is how many messages of a provider are in work at once.
const concurrency = 32

// work pulls from every provider's consumer. It returns when what was begun is done.
func (f *member) work(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for provider := range f.cfg.Providers {
		consumer, err := f.js.Consumer(ctx, f.names.In(), f.names.WorkerConsumer(provider))
		if err != nil {
			return fmt.Errorf("consumer of %s: %w", provider, err)
		}
		slots := make(chan struct{}, concurrency)
		taking, err := consumer.Consume(func(m jetstream.Msg) {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				f.handle(context.WithoutCancel(ctx), m)
			})
		}, jetstream.PullMaxMessages(concurrency))
		if err != nil {
			return fmt.Errorf("consume %s: %w", provider, err)
		}
		defer taking.Stop()
	}
	<-ctx.Done()
	return nil
}
