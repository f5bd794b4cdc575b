package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/events"
)

// ErrPermanent, wrapped in a handler's error, says that trying again is useless: the
// event becomes a dead letter at once.
var ErrPermanent = errors.New("no use trying again")

// Key names an event for all time: CloudEvents' source and id together.
type Key struct{ Source, ID string }

// Delivery is one event on its way to a handler.
type Delivery struct {
	events.Address
	Name  events.Name
	Event event.Event
	// Key is the same for every delivery of the event. An effect that is written
	// together with its key, in one transaction, is had exactly once.
	Key Key
	// Generation of the link when the event was made; zero for the few without.
	Generation uint64
	// Number counts the link's events, from 1.
	Number uint64
	// Late: this process has handled a later event of the link before. What the event
	// says of the link's state is overtaken.
	Late bool
	// Attempt counts deliveries of the event to this subscription, from 1, those
	// included that a stopped process did not come to the end of.
	Attempt int
	// Sequence and StoredAt are where and when the event was stored.
	Sequence uint64
	StoredAt time.Time
	// Trace is that of whatever the event triggers: it goes into further events.
	Trace events.Trace
}

// Route is a handler and the events that it is for.
type Route struct {
	name events.Name // empty: any
	do   func(context.Context, Delivery) error
}

// On handles the events of one type. Its data is decoded, and leniently: fields that
// this version does not know are passed over.
func On[T events.Data](do func(ctx context.Context, d Delivery, data T) error) Route {
	var t T
	return Route{name: t.EventName(), do: func(ctx context.Context, d Delivery) error {
		data, err := events.As[T](d.Event)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPermanent, err)
		}
		return do(ctx, d, data)
	}}
}

// OnAny handles the events that no other route of the subscription is for. Types that
// this version does not know are passed over: update the service to get them.
func OnAny(do func(ctx context.Context, d Delivery) error) Route { return Route{do: do} }

// delivery reads a message. An *events.Invalid says that it cannot be read; what was
// read until then is returned with it.
func (c *Client) delivery(m jetstream.Msg) (Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Delivery{}, err
	}
	d := Delivery{Attempt: int(min(meta.NumDelivered, math.MaxInt32)), Sequence: meta.Sequence.Stream, StoredAt: meta.Timestamp}
	if d.Address, d.Name, err = c.subjects.ParseOut(m.Subject()); err != nil {
		return d, err
	}
	d.Generation, _ = events.GenerationOf(m.Headers())
	if d.Event, err = events.Decode(m.Headers(), m.Data()); err != nil {
		return d, err
	}
	if d.Event.Subject() != d.Link || d.Event.Type() != d.Name.Type() {
		return d, &events.Invalid{Field: "type", Reason: events.FaultWrongSubject}
	}
	d.Key = Key{Source: d.Event.Source(), ID: d.Event.ID()}
	d.Trace = events.CausedBy(d.Event)
	d.Number, err = events.Number(d.Event)
	return d, err
}
