package handlers

import (
	"context"
	"errors"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// Inputs handles everything that arrives on the input stream of one cell.
type Inputs struct{ h *Handlers }

// Inputs returns the handler of the input stream.
func (h *Handlers) Inputs() Inputs { return Inputs{h} }

// Peek settles what subject, headers and memory can settle: it is called for
// every delivery, reads nothing and decodes nothing.
func (in Inputs) Peek(m *inbox.Message) (inbox.Verdict, bool) {
	a, name, err := in.h.Subjects.ParseIn(m.Subject)
	if err != nil || name != events.NameTokenExpired {
		return inbox.Verdict{}, false
	}
	return in.h.peekTokenExpired(a, m)
}

// Handle decodes, validates and performs an input.
func (in Inputs) Handle(ctx context.Context, m *inbox.Message) (v inbox.Verdict) {
	a, name, err := in.h.Subjects.ParseIn(m.Subject)
	if err != nil {
		return dead(err)
	}
	e, err := in.h.decode(a, name, m)
	if err != nil {
		return dead(err)
	}
	ctx, span := in.h.Tracer.Process(ctx, in.h.causeOf(a, name, e, m), in.h.Clock())
	defer func() { endWith(span, v) }()
	switch name {
	case events.NameTokenExpired:
		return in.h.tokenExpired(ctx, a, e, m)
	case events.NameReconsentCompleted:
		return in.h.reconsentCompleted(ctx, a, e, m)
	case events.NameLinkReplacementDecided:
		return in.h.linkReplacementDecided(ctx, a, e, m)
	case events.NameLogoutRequested:
		return in.h.logoutRequested(ctx, a, e, m)
	default:
		return inbox.Dead("not_handled_by_this_version", "type")
	}
}

// decode is step 3 of the order of checks (ARCHITECTURE.md): whatever it refuses is refused for good.
func (h *Handlers) decode(a events.Address, name events.Name, m *inbox.Message) (event.Event, error) {
	if !h.tenants[a.Tenant] {
		return event.Event{}, &events.Invalid{Field: "tenant", Reason: "unknown_tenant"}
	}
	if _, ok := h.Providers[a.Provider]; !ok {
		return event.Event{}, &events.Invalid{Field: "provider", Reason: "unknown_provider"}
	}
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		return event.Event{}, err
	}
	return e, events.Check(e, a, name)
}

func dead(err error) inbox.Verdict {
	var invalid *events.Invalid
	if errors.As(err, &invalid) {
		return inbox.Dead(invalid.Reason, invalid.Field)
	}
	return inbox.Dead("undecodable", "data")
}
