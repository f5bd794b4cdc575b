package links

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// Entry is an event that the record's write has decided, as it will be published.
// The envelope is kept whole: however often it is published, it is the same bytes.
type Entry struct {
	Number uint64          `json:"no"`
	Event  json.RawMessage `json:"event"`
}

// Origin says where a change comes from; it becomes part of its events.
type Origin struct {
	// Source is the CloudEvents source of what this fleet emits.
	Source string
	events.Trace
}

// announce puts an event into the outbox (model: event). An event's number, and
// so its id, is raised by the same compare-and-set that makes it true.
func (l Link) announce(o Origin, now time.Time, d events.Data) Link {
	l.EventNumber++
	e, err := events.NewOutput(o.Source, l.EventNumber, now, o.Trace, d)
	if err != nil {
		panic(fmt.Sprintf("links: %s of %s does not encode: %v", d.EventName(), l.Address, err)) // our own types: a defect
	}
	data, err := events.Encode(e)
	if err != nil {
		panic(fmt.Sprintf("links: %s of %s does not encode: %v", d.EventName(), l.Address, err))
	}
	l.Outbox = append(slices.Clone(l.Outbox), Entry{Number: l.EventNumber, Event: data})
	return l
}

// Settled drops the entries that are known to be stored. The next write takes
// them out of the record; none is made for that alone but where a link rests for long.
func (l Link) Settled(stored uint64) Link {
	if len(l.Outbox) == 0 || l.Outbox[0].Number > stored {
		return l
	}
	l.Outbox = slices.DeleteFunc(slices.Clone(l.Outbox), func(e Entry) bool { return e.Number <= stored })
	return l
}
