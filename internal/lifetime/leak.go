package lifetime

import (
	"context"
	"fmt"
	"strings"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Leaks are the places outside a worker's memory in which one of these secrets
// stands in the clear: records and events of all links, and the workers' logs.
// Secrets are what the simulator issued and saw, and what the test adds.
func (w *World) Leaks(more ...string) []string {
	w.t.Helper()
	secrets := append(append(w.Sim.Issued(), w.Sim.Seen()...), more...)
	var found []string
	look := func(where, text string) {
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				found = append(found, fmt.Sprintf("%s holds %.4s…", where, s))
			}
		}
	}
	look("the log", w.journal.all())
	err := w.Links.List(context.Background(), events.Address{}, func(s links.Stored) bool {
		record, err := s.Link.Encode()
		if err != nil {
			w.t.Error(err)
		}
		look("the record of "+s.Link.Link, string(record))
		for _, told := range w.outputs.about(s.Link.Address) {
			look(string(told.Name)+" of "+s.Link.Link, string(told.Body))
		}
		return true
	})
	if err != nil {
		w.t.Error(err)
	}
	return found
}
