package load

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// poison sends what no worker can carry out: each must come to a dead letter, and hold
// nothing up.
func (l *Load) poison(ctx context.Context) {
	random := l.random(3)
	every(ctx, 2*time.Second, func() {
		k, ok := l.table.draw(random, func(e *entry) bool { return e.Status == links.Active }, func(*entry) {})
		if !ok {
			return
		}
		if m, ok := l.bad(random, k); ok {
			l.publish(ctx, "poison", m)
		}
	})
}

// bad is one of: garbage, too much of it, a link that nobody knows, and an event that
// is not about the link of its subject.
func (l *Load) bad(random *rand.Rand, k links.Link) (events.Message, bool) {
	about := events.TokenExpired{Address: k.Address, Generation: k.Generation, Reason: events.ReasonExpiring}
	kind := random.IntN(4)
	if kind == 2 {
		about.Link = "unknown-" + ulid.Make().String()
	}
	e, err := events.NewInput("//torture/poison", ulid.Make().String(), time.Now(), events.Trace{}, about)
	if err != nil {
		return events.Message{}, false
	}
	m, err := l.Cell.Bus.Names().Subjects().InputMessage(e)
	if err != nil {
		return m, false
	}
	m.Header = map[string][]string{events.HeaderContentType: {events.ContentType}}
	switch kind {
	case 0:
		m.Data = []byte("{\"specversion\":")
	case 1:
		m.Data = append(m.Data, bytes.Repeat([]byte(" "), events.MaxSize)...)
	case 3:
		m.Subject = l.Cell.Bus.Names().Subjects().In(events.Address{Tenant: k.Tenant, Provider: k.Provider, Link: "another"}, events.NameTokenExpired)
	}
	return m, true
}
