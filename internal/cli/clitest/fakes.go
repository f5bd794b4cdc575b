package clitest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// worker connects to the script's cell in place of a worker.
func worker(ts *testscript.TestScript) *bus.Bus {
	ctx, cancel := limited()
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{URL: ts.Getenv("NATS"), Prefix: ts.Getenv("PREFIX"), Name: "fake"})
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := limited()
		defer cancel()
		ts.Check(b.Close(ctx))
	})
	return b
}

func respond(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: respond VERB FILE")
	}
	reply, received := []byte(ts.ReadFile(args[1])), ts.MkAbs(args[0]+".request")
	service, err := worker(ts).Serve(context.Background(), bus.ServiceSpec{Name: "fake", Version: "0.0.1", Endpoints: []bus.Endpoint{{
		Verb: args[0], Handle: func(_ context.Context, tenant string, data []byte) ([]byte, error) {
			if err := os.WriteFile(received, append([]byte(tenant+" "), data...), 0o600); err != nil {
				return nil, err
			}
			if refused := new(api.Error); json.Unmarshal(reply, refused) == nil && refused.Code != "" {
				return nil, refused
			}
			return reply, nil
		},
	}}})
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := limited()
		defer cancel()
		ts.Check(service.Stop(ctx))
	})
}

func react(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: react NAME FILE")
	}
	b, text := worker(ts), expanded(ts, args[1])
	ctx, cancel := limited()
	begun, ended := make(chan struct{}), make(chan error, 1)
	spec := bus.WatchSpec{Stream: b.Names().In(), Count: 1, Begun: func() { close(begun) }}
	go func() {
		defer close(ended)
		ended <- b.Watch(ctx, spec, func(m *inbox.Message) error {
			if _, name, err := b.Names().Subjects().ParseIn(m.Subject); err != nil || string(name) != args[0] {
				return errors.New("received " + m.Subject + ", want " + args[0])
			}
			return reaction(ctx, b, m, text)
		})
	}()
	ts.Defer(func() {
		cancel() // what the script did not wait for, it does not need
		if err := <-ended; !errors.Is(err, context.Canceled) {
			ts.Check(err)
		}
	})
	select {
	case <-begun:
	case err := <-ended:
		ts.Fatalf("react: %v", err)
	}
}

// expanded is a file in which $VARIABLES stand for their values, except $CAUSE.
func expanded(ts *testscript.TestScript, file string) string {
	return os.Expand(ts.ReadFile(file), func(name string) string {
		if name == "CAUSE" {
			return "$CAUSE"
		}
		return ts.Getenv(name)
	})
}

// reaction publishes a dead letter of the input, or an output that it caused.
func reaction(ctx context.Context, b *bus.Bus, m *inbox.Message, text string) error {
	in, err := events.Decode(m.Header, m.Data)
	if err != nil {
		return err
	}
	letter := bus.DeadLetter{Stream: m.Stream, Sequence: m.Sequence, Subject: m.Subject, Deliveries: 1, First: m.StoredAt, Last: m.StoredAt, Worker: "fake"}
	if json.Unmarshal([]byte(text), &letter) == nil && letter.Reason != "" {
		body, err := json.Marshal(letter)
		if err == nil {
			_, err = b.JetStream().Publish(ctx, b.Names().Subjects().DeadOf(m.Subject), body)
		}
		return err
	}
	out, err := events.Decode(nil, []byte(strings.ReplaceAll(text, "$CAUSE", in.ID())))
	if err != nil {
		return err
	}
	e, err := b.Names().Subjects().OutputMessage(out)
	if err != nil {
		return err
	}
	return b.PublishOutput(ctx, e)
}
