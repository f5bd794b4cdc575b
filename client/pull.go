package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// pullMax is how many events one request asks for. They are taken in at once, and
// Pending bounds them all.
const pullMax = 100

// drainWait bounds the wait for a server that does not answer when a subscription ends.
const drainWait = 5 * time.Second

// bind finds the subscription, adapted to what is subscribed to now, or makes it.
func (s *subscription) bind(ctx context.Context) (jetstream.Consumer, error) {
	js, stream := s.client.bus.JetStream(), s.client.bus.Names().Out()
	consumer, err := js.Consumer(ctx, stream, s.client.durable(s.cfg.Name))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return js.CreateConsumer(ctx, stream, s.config())
	}
	if err != nil {
		return nil, err
	}
	have := consumer.CachedInfo().Config
	want := have
	want.FilterSubject, want.FilterSubjects = "", s.filters()
	want.AckWait, want.MaxAckPending = s.cfg.AckWait, s.cfg.Pending
	if slices.Equal(have.FilterSubjects, want.FilterSubjects) && have.AckWait == want.AckWait && have.MaxAckPending == want.MaxAckPending {
		return consumer, nil
	}
	return js.UpdateConsumer(ctx, stream, want)
}

func (s *subscription) config() jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Durable: s.client.durable(s.cfg.Name), FilterSubjects: s.filters(), DeliverPolicy: jetstream.DeliverNewPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: s.cfg.AckWait, MaxAckPending: s.cfg.Pending,
		MaxDeliver: -1, // running out of deliveries would drop an event in silence
	}
	switch {
	case !s.cfg.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.cfg.Since
	case s.cfg.FromSequence != 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.cfg.FromSequence
	}
	return cfg
}

// run owns all goroutines of the subscription.
func (s *subscription) run(ctx context.Context, consumer jetstream.Consumer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.client.ctx, cancel)()
	var end context.CancelFunc
	s.ctx, end = context.WithCancel(context.WithoutCancel(ctx))
	defer end()

	over, beats := make(chan struct{}), make(chan struct{})
	go func() { defer close(beats); s.held.beat(s.cfg.AckWait/3, over) }()
	err := s.pull(ctx, consumer)
	s.turns.stop()
	grace := time.AfterFunc(s.cfg.Grace, end)
	s.turns.running.Wait()
	grace.Stop()
	close(over)
	<-beats
	return err
}

// pull takes events until ctx ends, or the subscription is gone.
func (s *subscription) pull(ctx context.Context, consumer jetstream.Consumer) error {
	for {
		err := s.take(ctx, consumer)
		if ctx.Err() != nil {
			return nil
		}
		s.log.Warn("events are not received; trying on", "error", err)
		if err := s.pause(ctx); err != nil {
			return nil
		}
		_, err = s.client.bus.JetStream().Consumer(ctx, s.client.bus.Names().Out(), s.client.durable(s.cfg.Name))
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConnectionClosed) {
			return fmt.Errorf("subscribe %s: the subscription is gone: %w", s.cfg.Name, err)
		}
	}
}

func (s *subscription) pause(ctx context.Context) error {
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take passes events on as fast as they come: one that waited unseen would be
// delivered to somebody else.
func (s *subscription) take(ctx context.Context, consumer jetstream.Consumer) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pullMax))
	if err != nil {
		return err
	}
	defer s.drain(messages)
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		s.receive(m)
	}
}

// drain ends the requests under way and puts back what they brought meanwhile. Left
// alone it would come to nobody for an AckWait.
func (s *subscription) drain(messages jetstream.MessagesContext) {
	defer messages.Stop()
	if !s.client.bus.Conn().IsConnected() {
		return
	}
	messages.Drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), drainWait)
	defer cancel()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return
		}
		_ = m.Nak() // where it is lost, the message comes after an AckWait
	}
}

// receive queues a message behind those of its link.
func (s *subscription) receive(m jetstream.Msg) {
	d, err := s.client.delivery(m)
	var bad *events.Invalid
	switch {
	case err == nil:
	case !errors.As(err, &bad): // it came from no consumer
		s.log.Error("received what no subscription sends", "subject", m.Subject(), "error", err)
		return
	case bad.Reason == events.FaultUnknownType:
		s.settle(d, m.Ack)
		return
	}
	if s.held.add(d.Sequence, m) {
		s.turns.add(d.Address, func() { s.handle(m, d, err) })
	}
}
