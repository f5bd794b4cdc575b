package services_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/internal/fleet"
	"github.com/regrant/regrant/internal/testenv"
)

// wear is how often links are rotated, and a subscriber killed meanwhile.
type wear struct{ links, each, kills int }

func (w wear) rotations() int { return w.links * w.each }

func howOften() wear {
	if full() {
		return wear{links: 100, each: 100, kills: 20}
	}
	return wear{links: 20, each: 15, kills: 4}
}

// TestASubscriberIsKilledOverAndOver: with kill -9, in turn before the effect of an
// event and between the effect and its acknowledgement. Every generation of every
// link is in its book in the end, and once.
func TestASubscriberIsKilledOverAndOver(t *testing.T) {
	w := howOften()
	cell, made := newCell(t, testenv.NATS(t), time.Hour, w.links)
	o := subscriberOrders{NATS: cell.Config.NATS.URL, Book: filepath.Join(t.TempDir(), "book"), AckWait: 2 * time.Second}
	defer rotating(t, cell, made, w.each)()
	for kill := range w.kills {
		o.Hold, o.After = w.rotations()/(w.kills+1), kill%2 == 1
		p := spawn(t, "subscriber", o)
		awaitHold(t, p)
		p.Kill()
	}
	o.Hold, o.Until = 0, w.rotations()
	last := spawn(t, "subscriber", o)
	awaitHold(t, last)
	allAcknowledged(t, cell)
	retire(t, last, nil)
	wantBook(t, o.Book, made, w)
}

func awaitHold(t *testing.T, p *testenv.Process) {
	t.Helper()
	testenv.Eventually(t, patience, "the subscriber holds", func() bool { return strings.Contains(p.Output(), saysHolds) })
}

// allAcknowledged waits until what killed processes had in hand has come again.
func allAcknowledged(t *testing.T, cell *fleet.Cell) {
	t.Helper()
	testenv.Eventually(t, patience, "nothing is left to be acknowledged", func() bool {
		c, err := cell.Bus.JetStream().Consumer(t.Context(), cell.Bus.Names().Out(), "sub-default-"+subscription)
		return err == nil && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().NumPending == 0
	})
}

func wantBook(t *testing.T, path string, made []fleet.Link, w wear) {
	t.Helper()
	all, err := readBook(path)
	must(t, err)
	type rotation struct {
		link       string
		generation uint64
	}
	times, late := map[rotation]int{}, 0
	for _, e := range all {
		times[rotation{e.Link, e.Generation}]++
		if e.Late {
			late++
		}
	}
	for _, l := range made {
		for g := range w.each {
			if n := times[rotation{l.Link, uint64(g) + 2}]; n != 1 {
				t.Errorf("generation %d of link %s was entered %d times", g+2, l.Link, n)
			}
		}
	}
	if len(all) != w.rotations() {
		t.Errorf("%d entries of %d rotations", len(all), w.rotations())
	}
	again, err := readBook(repeats(path))
	must(t, err)
	if least := w.kills / 2; len(again) < least {
		t.Errorf("%d events came again, want %d at least: as often was it killed between effect and acknowledgement", len(again), least)
	}
	t.Logf("%d rotations, %d kills: %d events came again after their effect, %d came late", len(all), w.kills, len(again), late)
}

// rotating has every link rotated so often, each as soon as its last rotation was
// announced. What it returns waits until no more is under way.
func rotating(t *testing.T, cell *fleet.Cell, made []fleet.Link, each int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	due := make(chan events.TokenExpired, len(made)) // one of a link at a time
	report := func(a events.Address, generation uint64) {
		due <- events.TokenExpired{Address: a, Generation: generation, Reason: events.ReasonExpiring}
	}
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() { reporting(ctx, t, cell, due) })
	}
	begun := make(chan struct{})
	tasks.Go(func() {
		spec := bus.WatchSpec{
			Subject: cell.Bus.Names().Subjects().OutFilter(events.Address{}, events.NameTokenRotated),
			Begun:   func() { close(begun) },
		}
		err := cell.Bus.Watch(ctx, spec, func(m *inbox.Message) error {
			a, _, err := cell.Bus.Names().Subjects().ParseOut(m.Subject)
			if g, ok := events.GenerationOf(m.Header); ok && err == nil && g <= uint64(each) {
				report(a, g)
			}
			return err
		})
		if ctx.Err() == nil {
			t.Errorf("watch rotations: %v", err)
		}
	})
	<-begun
	for _, l := range made {
		report(l.Address, 1)
	}
	return func() { cancel(); tasks.Wait() }
}

// reporting publishes reports until ctx ends.
func reporting(ctx context.Context, t *testing.T, cell *fleet.Cell, due <-chan events.TokenExpired) {
	for {
		select {
		case d := <-due:
			m, err := cell.Report(d)
			if err == nil {
				err = cell.Bus.PublishInput(ctx, m)
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("report %s: %v", d.Link, err)
			}
		case <-ctx.Done():
			return
		}
	}
}
