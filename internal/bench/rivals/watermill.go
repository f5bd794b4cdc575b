package main

import (
	"context"
	"fmt"
	"io"

	"github.com/ThreeDotsLabs/watermill"
	wmjetstream "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/jetstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// watermilled gives the handler to Watermill's router. Acknowledgements are not
// waited for, which is faster than the default.
func watermilled(ctx context.Context, o options, out io.Writer) error {
	publisher, err := wmjetstream.NewPublisher(wmjetstream.PublisherConfig{URL: o.natsURL, Logger: watermill.NopLogger{}})
	if err != nil {
		return err
	}
	defer func() { _ = publisher.Close() }()
	h, err := newHandler(ctx, o, func(_ context.Context, subject, id string, data []byte) error {
		return publisher.Publish(subject, message.NewMessage(id, data))
	})
	if err != nil {
		return err
	}
	existing := func(string, string) jetstream.ConsumerConfig { return jetstream.ConsumerConfig{Name: o.durable} }
	subscriber, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
		URL: o.natsURL, Logger: watermill.NopLogger{}, AckAsync: true, ResourceInitializer: wmjetstream.ExistingConsumer(existing, ""),
	})
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router.AddConsumerHandler("refresh", o.stream, subscriber, func(m *message.Message) error {
		return h.handle(context.WithoutCancel(m.Context()), m.Payload)
	})
	go func() {
		<-router.Running()
		fmt.Fprintln(out, ready)
	}()
	return router.Run(ctx)
}
