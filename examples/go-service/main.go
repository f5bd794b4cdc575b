// Command go-service calls a third-party API with the grants of its users, and
// hears what becomes of them. It is an example: package client does the work.
//
//	go run ./examples/go-service -provider op -api https://api.bank.example/accounts
//	curl http://127.0.0.1:8090/links/01JQ8ZC6T2M5X9V3K7N4R0WHBD
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/regrant/regrant/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-service:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	config                client.Config
	provider, api, listen string
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("go-service", flag.ContinueOnError)
	f.StringVar(&o.config.URL, "nats", "nats://127.0.0.1:4222", "URL of the cell's NATS")
	f.StringVar(&o.config.Creds, "creds", "", "NATS credentials file")
	f.StringVar(&o.config.Prefix, "prefix", "regrant", "the cell's nats.prefix")
	f.StringVar(&o.config.Name, "name", "go-service", "what the reports are from")
	f.DurationVar(&o.config.Wait, "wait", 10*time.Second, "for how long a request may wait for a token")
	f.StringVar(&o.provider, "provider", "", "whose grants the API takes")
	f.StringVar(&o.api, "api", "", "URL to get with a grant")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8090", "where to serve")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.provider == "" || o.api == "" {
		return o, errors.New("-provider and -api are required")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	o.config.Log = log
	c, err := client.New(ctx, o.config)
	if err != nil {
		return err
	}
	defer shut(c)
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	s := &service{client: c, provider: o.provider, api: o.api, log: log}
	return s.run(ctx, l, "go-service-"+o.config.Name)
}

// grace is how long what is under way may take when the process is told to end.
const grace = 10 * time.Second

func shut(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = c.Close(ctx) // what was cut off is reported by the next refused request
}

// run serves and subscribes until ctx ends or one of the two cannot go on.
func (s *service) run(ctx context.Context, l net.Listener, subscription string) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 2)
	go func() { ended <- s.subscribe(ctx, subscription) }()
	go func() { ended <- s.serve(ctx, l) }()
	first := <-ended
	end()
	return errors.Join(first, <-ended)
}

func (s *service) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: grace}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	s.log.Info("listening", "url", "http://"+l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
