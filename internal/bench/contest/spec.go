package contest

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Spec says what a contestant works on.
type Spec struct {
	// NATSURL, Stream and Durable say where the reports are.
	NATSURL, Stream, Durable string
	// RedisURL and Dir are where Exchanges has its locks and its disk.
	RedisURL, Dir string
	// Prefix is the cell's, and names it in tokens.
	Prefix string
	// TokenURL is the provider's, ClientID and ClientSecret what it is told.
	TokenURL, ClientID, ClientSecret string
	// Concurrency bounds the calls under way.
	Concurrency int
}

// Args is the command line that Parse reads.
func (s Spec) Args() []string {
	return []string{
		"-nats-url", s.NATSURL, "-stream", s.Stream, "-durable", s.Durable, "-prefix", s.Prefix, "-redis-url", s.RedisURL, "-dir", s.Dir,
		"-token-url", s.TokenURL, "-client-id", s.ClientID, "-client-secret", s.ClientSecret, "-concurrency", fmt.Sprint(s.Concurrency),
	}
}

// Parse reads a contestant's command line.
func Parse(args []string) (s Spec, err error) {
	f := flag.NewFlagSet("contestant", flag.ContinueOnError)
	for name, into := range map[string]*string{
		"nats-url": &s.NATSURL, "stream": &s.Stream, "durable": &s.Durable, "prefix": &s.Prefix, "redis-url": &s.RedisURL, "dir": &s.Dir,
		"token-url": &s.TokenURL, "client-id": &s.ClientID, "client-secret": &s.ClientSecret,
	} {
		f.StringVar(into, name, "", "")
	}
	f.IntVar(&s.Concurrency, "concurrency", 0, "")
	return s, f.Parse(args)
}

// Ready is what a contestant prints when it asks for messages.
const Ready = "contestant ready"

// prefetch is how many messages the client library asks for ahead.
const prefetch = 1000

// consume calls handle for each message, on one goroutine, until ctx ends.
func (s Spec) consume(ctx context.Context, js jetstream.JetStream, out io.Writer, handle func(jetstream.Msg)) error {
	consumer, err := js.Consumer(ctx, s.Stream, s.Durable)
	if err != nil {
		return err
	}
	run, err := consumer.Consume(handle, jetstream.PullMaxMessages(prefetch))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, Ready)
	<-ctx.Done()
	run.Stop()
	<-run.Closed()
	return nil
}

func (s Spec) connect() (*nats.Conn, jetstream.JetStream, error) {
	conn, err := nats.Connect(s.NATSURL)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(2*s.Concurrency))
	return conn, js, err
}
