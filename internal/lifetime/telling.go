package lifetime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/providers/providertest"
)

// Told are a link's events, of one name or, without a name, all.
func (w *World) Told(a events.Address, names ...events.Name) []Told {
	var found []Told
	for _, t := range w.outputs.about(a) {
		for _, n := range names {
			if t.Name == n {
				found = append(found, t)
			}
		}
		if len(names) == 0 {
			found = append(found, t)
		}
	}
	return found
}

// Names are those of a link's events, in order.
func (w *World) Names(a events.Address) []events.Name {
	var names []events.Name
	for _, t := range w.outputs.about(a) {
		names = append(names, t.Name)
	}
	return names
}

// Newest decodes a link's newest event of a type; without one the test ends.
func Newest[T events.Data](w *World, a events.Address) T {
	w.t.Helper()
	var none T
	all := w.Told(a, none.EventName())
	if len(all) == 0 {
		w.t.Fatalf("%s has no event %s, only %q", a, none.EventName(), w.Names(a))
	}
	return Read[T](w, all[len(all)-1])
}

// Read decodes an event. It must be one by its own schema.
func Read[T events.Data](w *World, t Told) T {
	w.t.Helper()
	e, err := events.Decode(nil, t.Body)
	if err == nil {
		err = events.Check(e, t.Address, t.Name)
	}
	data, err2 := events.As[T](e)
	if err := errors.Join(err, err2); err != nil {
		w.t.Fatalf("%s: %v: %s", t.Address, err, t.Body)
	}
	return data
}

// Ledger is what the providers saw, in order.
func (w *World) Ledger(f providertest.Filter) []providertest.Presentation {
	w.t.Helper()
	ledger, err := w.Sim.Ledger()
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Presentations(f)
}

// Refreshes counts the refresh tokens that were presented at a provider.
func (w *World) Refreshes(provider string) int {
	w.t.Helper()
	return len(w.Ledger(providertest.Filter{Provider: provider, Kind: providertest.KindRefresh}))
}

// Report publishes an input, as a service does.
func (w *World) Report(d events.Data) {
	w.t.Helper()
	m, err := w.input(d)
	if err == nil {
		err = w.queue.publish(context.Background(), m)
	}
	if err != nil {
		w.t.Error(err)
	}
}

func (w *World) input(d events.Data) (events.Message, error) {
	id := fmt.Sprint("input-", w.inputs.Add(1))
	e, err := events.NewInput("//service", id, time.Now(), events.Trace{}, d)
	if err != nil {
		return events.Message{}, err
	}
	return events.Subjects{}.InputMessage(e)
}
