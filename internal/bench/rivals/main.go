package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ready is what both print when they ask for reports; the benchmark waits for it.
const ready = "contestant ready"

// options are those of every contestant of the benchmark.
type options struct {
	natsURL, redisURL, stream, durable, prefix string
	tokenURL, clientID, clientSecret           string
	provider                                   string
	links                                      int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("say which: naive or watermill")
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&o.natsURL, "nats-url", "", "")
	f.StringVar(&o.redisURL, "redis-url", "", "")
	f.StringVar(&o.stream, "stream", "", "")
	f.StringVar(&o.durable, "durable", "", "")
	f.StringVar(&o.prefix, "prefix", "", "")
	f.StringVar(&o.tokenURL, "token-url", "", "")
	f.StringVar(&o.clientID, "client-id", "", "")
	f.StringVar(&o.clientSecret, "client-secret", "", "")
	f.StringVar(&o.provider, "provider", "", "")
	f.IntVar(&o.links, "links", 0, "links to put into Redis before the start")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "naive":
		return naive(ctx, o, out)
	case "watermill":
		return watermilled(ctx, o, out)
	default:
		return fmt.Errorf("no rival is called %s: there are naive and watermill", args[0])
	}
}
