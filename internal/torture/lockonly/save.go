package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/internal/torture/lockonly/bare"
)

const (
	// tries of a save or an announcement, each of which may take tryFor: an outage of
	// NATS must not lose the only copy of a token.
	tries  = 10
	tryFor = time.Second
)

// save puts the record away, and does not give up at the first error.
func (f *member) save(ctx context.Context, a events.Address, r bare.Record) error {
	return persist(ctx, func(ctx context.Context) error { return f.store.Put(ctx, a, r) })
}

// announce tells the subscribers, once as far as the stream's window reaches.
func (f *member) announce(ctx context.Context, a events.Address, r bare.Record) error {
	m, err := f.output(a, r)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
	return persist(ctx, func(ctx context.Context) error {
		_, err := f.js.PublishMsg(ctx, msg)
		return err
	})
}

// output numbers a link's events by its generations.
func (f *member) output(a events.Address, r bare.Record) (events.Message, error) {
	var data events.Data = events.TokenRotated{
		Address: a, Generation: r.Generation, PreviousGeneration: r.Generation - 1, Consent: 1, Cause: events.CauseRefresh,
		Comparison: events.ComparisonUnknown,
	}
	number := r.Generation
	if r.Dead {
		number++
		data = events.ConsentRequired{Address: a, Generation: r.Generation, Consent: 1, Reason: "grant_dead"}
	}
	e, err := events.NewOutput("//lockonly", number, time.Now(), events.Trace{}, data)
	if err != nil {
		return events.Message{}, err
	}
	return f.names.Subjects().OutputMessage(e)
}

func persist(ctx context.Context, try func(context.Context) error) (err error) {
	for range tries {
		if err = within(ctx, tryFor, try); err == nil || errors.Is(err, context.Canceled) {
			return err
		}
	}
	return err
}

func within(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := try(ctx)
	if err != nil {
		<-ctx.Done() // an error that came at once is no reason to ask again at once
	}
	return err
}
