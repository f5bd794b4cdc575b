package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// remedy ends every error that provisioning would cure.
const remedy = "run `worker provision`"

// ErrNotProvisioned marks errors that `worker provision` cures.
var ErrNotProvisioned = errors.New("not provisioned")

// The oldest server that has everything: message schedules that a client can
// replace and purge under an expected sequence.
const (
	needMajor = 2
	needMinor = 14
)

// Verify checks that the cell is as planned. It needs the right to read the
// information of streams and consumers, no more. The error joins everything
// that differs and matches ErrNotProvisioned where provisioning is the cure.
func (b *Bus) Verify(ctx context.Context, plan Plan) error {
	if err := errors.Join(plan.validate(b.names), b.checkVersion()); err != nil {
		return err
	}
	var all []error
	for _, want := range plan.streams() {
		all = append(all, b.verifyStream(ctx, want))
	}
	for _, want := range plan.consumers() {
		all = append(all, b.verifyConsumer(ctx, want))
	}
	return errors.Join(all...)
}

func (b *Bus) verifyStream(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := b.askStream(ctx, want.Name)
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, b.explain(err))
	}
	return unequal("stream "+want.Name, streamDifferences(stream.CachedInfo().Config, want))
}

func (b *Bus) verifyConsumer(ctx context.Context, want placedConsumer) error {
	name := "consumer " + want.config.Durable + " of " + want.stream
	consumer, err := b.askConsumer(ctx, want.stream, want.config.Durable)
	if err != nil {
		return fmt.Errorf("%s: %w", name, b.explain(err))
	}
	return unequal(name, consumerDifferences(consumer.CachedInfo().Config, want.config))
}

func unequal(what string, differences []Setting) error {
	if len(differences) == 0 {
		return nil
	}
	words := make([]string, len(differences))
	for i, d := range differences {
		words[i] = d.String()
	}
	return fmt.Errorf("%s: %s: %w: %s", what, strings.Join(words, "; "), ErrNotProvisioned, remedy)
}

// explain says what to do about an error of JetStream's management interface.
func (b *Bus) explain(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%w: %w: %s", err, ErrNotProvisioned, remedy)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: enable JetStream in nats-server for this account", err)
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return fmt.Errorf("%w: not connected to NATS now; it is being retried", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer; where the log shows a permissions violation, run `worker permissions`", err)
	}
	return err
}

// checkVersion compares with the server that this client is connected to; a
// cluster in the middle of its upgrade may still have older members.
func (b *Bus) checkVersion() error {
	version := b.conn.ConnectedServerVersion()
	if newEnough(version) {
		return nil
	}
	return fmt.Errorf("nats-server %s is too old: upgrade it to %d.%d or later", version, needMajor, needMinor)
}

func newEnough(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > needMajor || major == needMajor && minor >= needMinor
}

// Providers lists the providers whose inputs the cell accepts.
func (b *Bus) Providers(ctx context.Context) ([]string, error) {
	stream, err := b.askStream(ctx, b.names.In())
	if err != nil {
		return nil, fmt.Errorf("list the providers: %w", b.explain(err))
	}
	var providers []string
	for _, subject := range stream.CachedInfo().Config.Subjects {
		if p, ok := providerOf(b.names.Subjects(), subject); ok {
			providers = append(providers, p)
		}
	}
	return providers, nil
}

// providerOf inverts Subjects.InFilter.
func providerOf(s events.Subjects, filter string) (string, bool) {
	before, after, _ := strings.Cut(s.InFilter("\x00"), "\x00")
	rest, ok := strings.CutPrefix(filter, before)
	provider, ok2 := strings.CutSuffix(rest, after)
	return provider, ok && ok2 && events.ValidProvider(provider)
}
