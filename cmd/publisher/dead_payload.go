package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// shownEvent is what may be printed of an input that died: its envelope, and of its
// data what is known not to be secret.
type shownEvent struct {
	ID     string         `json:"id,omitempty"`
	Source string         `json:"source,omitempty"`
	Type   string         `json:"type,omitempty"`
	Time   time.Time      `json:"time,omitzero"`
	Data   map[string]any `json:"data,omitempty"`
	// LeftOut says why there is nothing else.
	LeftOut string `json:"left_out,omitempty"`
}

// printable are the fields of inputs and of client subscriptions' events that hold no
// secret. A code, a state and a staging are left out: each lets whoever has it finish
// somebody's login. So is whatever the schemas do not know: people send what must not
// travel, and that is what their events died of.
var printable = []string{
	"tenant", "provider", "link", "generation", "fingerprint", "reason", "status", "error", "iss", "user", "consent", "decision", "scope",
}

// printableLength is that of the longest text that is printed.
const printableLength = 64

// showEvent reads an event as far as it may be printed.
func showEvent(m *inbox.Message) *shownEvent {
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		return &shownEvent{LeftOut: fmt.Sprintf("%d bytes that are no event (%s): nobody knows what is in them", len(m.Data), err)}
	}
	s := &shownEvent{ID: e.ID(), Source: e.Source(), Type: e.Type(), Time: e.Time()}
	var data map[string]any
	if json.Unmarshal(e.Data(), &data) != nil {
		s.LeftOut = "data that is no JSON object"
		return s
	}
	for name, value := range data {
		if !slices.Contains(printable, name) || !short(value) {
			data[name] = leftOut(value)
		}
	}
	s.Data = data
	return s
}

// short says whether a value is a number, a truth or a word, as all that we know are.
func short(value any) bool {
	switch v := value.(type) {
	case string:
		return len(v) <= printableLength
	case map[string]any, []any:
		return false
	default:
		return true
	}
}

// leftOut says how much was there, which helps to see what it was.
func leftOut(value any) string {
	if text, ok := value.(string); ok {
		return fmt.Sprintf("[left out: text of %d bytes]", len(text))
	}
	return "[left out]"
}
