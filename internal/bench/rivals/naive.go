package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// naive takes one report after the other.
func naive(ctx context.Context, o options, out io.Writer) error {
	conn, err := nats.Connect(o.natsURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	h, err := newHandler(ctx, o, func(ctx context.Context, subject, id string, data []byte) error {
		_, err := js.Publish(ctx, subject, data, jetstream.WithMsgID(id))
		return err
	})
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, o.stream, o.durable)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	stopped := context.AfterFunc(ctx, messages.Stop)
	defer stopped()
	fmt.Fprintln(out, ready)
	return h.work(messages)
}

func (h *handler) work(messages jetstream.MessagesContext) error {
	for {
		m, err := messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		// What is begun is finished, also when the process is to end.
		if err := h.handle(context.Background(), m.Data()); err != nil {
			_ = m.NakWithDelay(time.Second)
			continue
		}
		if err := m.Ack(); err != nil {
			return err
		}
	}
}
