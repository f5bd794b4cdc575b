package main

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// outcome is what came of an input: an output that it caused, or its dead letter.
type outcome struct {
	text   []byte
	name   events.Name
	reason string
	letter *bus.DeadLetter
}

// await publishes an input and returns the first thing that comes of it. Which
// link that is about the input does not say: a consent of one link may create,
// rotate or replace another.
func await(ctx context.Context, b *bus.Bus, m events.Message, id string) (outcome, error) {
	subjects := b.Names().Subjects()
	about, _, err := subjects.ParseIn(m.Subject)
	if err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := watchers{bus: b, seen: make(chan *inbox.Message), begun: make(chan struct{}, 2), ended: make(chan error, 2)}
	defer w.running.Wait()
	defer cancel()
	about.Link = ""
	w.watch(ctx, bus.WatchSpec{Subject: subjects.OutFilter(about, "")})
	w.watch(ctx, bus.WatchSpec{Stream: b.Names().Dead(), Subject: subjects.DeadOf(m.Subject)})
	for range 2 { // both listen before anything is said
		select {
		case <-w.begun:
		case err := <-w.ended:
			return outcome{}, err
		}
	}
	sequence, err := b.StoreInput(ctx, m)
	if err != nil {
		return outcome{}, err
	}
	for {
		select {
		case seen := <-w.seen:
			if came, ours := recognise(subjects, seen, id, sequence); ours {
				return came, nil
			}
		case err := <-w.ended:
			return outcome{}, err
		}
	}
}

// watchers follow several streams into one channel.
type watchers struct {
	bus     *bus.Bus
	seen    chan *inbox.Message
	begun   chan struct{}
	ended   chan error
	running sync.WaitGroup
}

func (w *watchers) watch(ctx context.Context, spec bus.WatchSpec) {
	spec.Begun = func() { w.begun <- struct{}{} }
	w.running.Go(func() {
		w.ended <- w.bus.Watch(ctx, spec, func(m *inbox.Message) error {
			select {
			case w.seen <- m:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
}

// recognise tells what came of the input with this id, stored at this sequence.
func recognise(s events.Subjects, m *inbox.Message, id string, sequence uint64) (outcome, bool) {
	if _, err := s.ParseDead(m.Subject); err == nil {
		letter := new(bus.DeadLetter)
		ours := json.Unmarshal(m.Data, letter) == nil && letter.Sequence == sequence
		return outcome{text: m.Data, letter: letter}, ours
	}
	if !bytes.Contains(m.Data, []byte(id)) {
		return outcome{}, false // most events of a busy cell: not worth opening
	}
	var out struct {
		Cause string `json:"causationid"`
		Data  struct {
			Reason string `json:"reason"`
		} `json:"data"`
	}
	_, name, err := s.ParseOut(m.Subject)
	ours := err == nil && json.Unmarshal(m.Data, &out) == nil && out.Cause == id
	return outcome{text: m.Data, name: name, reason: out.Data.Reason}, ours
}
