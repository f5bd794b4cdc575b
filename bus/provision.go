package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Report lists, by stream or stream/consumer, what Provision did.
type Report struct {
	Created, Updated, Unchanged []string
}

// Provision creates what the plan names and brings what exists into line. It
// can be repeated, also while workers run. Settings that the plan does not
// decide, and providers that only the server knows, are left as they are. It
// needs the right to create and update streams and consumers.
func (b *Bus) Provision(ctx context.Context, plan Plan) (Report, error) {
	var report Report
	if err := errors.Join(plan.validate(b.names), b.checkVersion()); err != nil {
		return report, err
	}
	for _, want := range plan.streams() {
		if err := b.provisionStream(ctx, want, &report); err != nil {
			return report, fmt.Errorf("provision stream %s: %w", want.Name, err)
		}
	}
	for _, want := range plan.consumers() {
		if err := b.provisionConsumer(ctx, want, &report); err != nil {
			return report, fmt.Errorf("provision consumer %s of %s: %w", want.config.Durable, want.stream, err)
		}
	}
	return report, nil
}

func (b *Bus) provisionStream(ctx context.Context, want jetstream.StreamConfig, report *Report) error {
	stream, err := b.askStream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		report.Created = append(report.Created, want.Name)
		return b.asking(ctx, func(ctx context.Context) error {
			_, err := b.js.CreateStream(ctx, want)
			return err
		})
	}
	if err != nil {
		return err
	}
	have := stream.CachedInfo().Config
	if len(streamDifferences(have, want)) == 0 {
		report.Unchanged = append(report.Unchanged, want.Name)
		return nil
	}
	report.Updated = append(report.Updated, want.Name)
	return b.asking(ctx, func(ctx context.Context) error {
		_, err := b.js.UpdateStream(ctx, merged(have, want))
		return err
	})
}

func (b *Bus) provisionConsumer(ctx context.Context, want placedConsumer, report *Report) error {
	name := want.stream + "/" + want.config.Durable
	consumer, err := b.askConsumer(ctx, want.stream, want.config.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		report.Created = append(report.Created, name)
		return b.asking(ctx, func(ctx context.Context) error {
			_, err := b.js.CreateConsumer(ctx, want.stream, want.config)
			return err
		})
	}
	if err != nil {
		return err
	}
	have := consumer.CachedInfo().Config
	if len(consumerDifferences(have, want.config)) == 0 {
		report.Unchanged = append(report.Unchanged, name)
		return nil
	}
	report.Updated = append(report.Updated, name)
	return b.asking(ctx, func(ctx context.Context) error {
		_, err := b.js.UpdateConsumer(ctx, want.stream, mergedConsumer(have, want.config))
		return err
	})
}
