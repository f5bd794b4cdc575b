package handlers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
)

// A record that this version cannot read keeps no other from being settled, nor the scan
// from being complete: it would begin again at once, for ever.
func TestAScanPassesOverWhatItCannotRead(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		a, lost, counts := w.process("a"), w.report(1), prometheus.NewRegistry()
		a.h.Metrics = handlers.NewMetrics(counts)
		w.provider.answers = []providers.Class{providers.Refused}
		wantDone(t, a.take(lost).end())
		clear(w.broker.timers) // lost
		w.sleep(2 * w.budget.Recovery)
		var err error
		a.start(nil, func(ctx context.Context) {
			err = a.h.NewReconciler(newerBeside{w.store.Store}, 0).Scan(ctx, true)
		}).end()
		if err != nil {
			t.Errorf("the scan was not completed: %v", err)
		}
		if n := counted(t, counts, "regrant_links_unreadable"); n != 2 {
			t.Errorf("%v records are told as unreadable, want 2", n)
		}
		w.wantLink(links.Active, 2)
	})
}

// A link that nobody writes for longer than the stream keeps its events announces none
// of them twice: who finds nothing in the stream must take it for not announced.
func TestAnIdleLinkAnnouncesNothingAgain(t *testing.T) {
	in(t, "forbidden", func(w *world) {
		wantDone(t, w.process("a").take(w.report(1)).end())
		w.put(func(l *links.Link) { l.Due, l.DueFor = time.Time{}, "" }) // nothing is due, ever
		if len(w.broker.stored) == 0 {
			t.Fatal("nothing was announced")
		}
		scanned := func(name string) {
			p := w.process(name) // which remembers nothing
			p.start(nil, func(ctx context.Context) { _ = p.h.NewReconciler(w.store.Store, 0).Scan(ctx, true) }).end()
		}
		before := w.link().EventNumber
		w.sleep(handlers.OutboxRest / 2)
		scanned("b")
		if rests := w.link(); len(rests.Outbox) == 0 || rests.EventNumber != before {
			t.Error("a record was written to empty its outbox alone, long before it had to be")
		}
		w.sleep(handlers.OutboxRest / 2)
		scanned("c")
		w.broker.stored = nil // the stream has forgotten
		scanned("d")
		if n := len(w.broker.stored); n != 0 {
			t.Errorf("%d events were announced again", n)
		}
	})
}

// newerBeside lists links beside two records of a newer version.
type newerBeside struct{ links.Scanner }

func (s newerBeside) List(ctx context.Context, filter events.Address, yield func(links.Stored) bool) error {
	return errors.Join(s.Scanner.List(ctx, filter, yield), &links.Unreadable{Count: 2, First: links.ErrRecord})
}
