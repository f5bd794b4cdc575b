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
	v, settled := in.h.peekTokenExpired(a, m)
	if settled {
		in.h.told(a, m, course{}, v)
	}
	return v, settled
}

// Handle decodes, validates and performs an input.
func (in Inputs) Handle(ctx context.Context, m *inbox.Message) inbox.Verdict {
	a, v, c := in.handle(ctx, m)
	in.h.told(a, m, c, v)
	return v
}

func (in Inputs) handle(ctx context.Context, m *inbox.Message) (a events.Address, v inbox.Verdict, c course) {
	a, name, err := in.h.Subjects.ParseIn(m.Subject)
	if err != nil {
		return a, dead(err), course{}
	}
	e, err := in.h.decode(a, name, m)
	if err != nil {
		return a, dead(err), course{}
	}
	ctx, span := in.h.Tracer.Process(ctx, in.h.causeOf(a, name, e, m), in.h.Clock())
	defer func() { endWith(span, v) }()
	do := map[events.Name]func(context.Context, events.Address, event.Event, *inbox.Message) (inbox.Verdict, course){
		events.NameTokenExpired: in.h.tokenExpired, events.NameReconsentCompleted: in.h.reconsentCompleted,
		events.NameLinkReplacementDecided: in.h.linkReplacementDecided, events.NameLogoutRequested: in.h.logoutRequested,
	}[name]
	if do == nil {
		return a, inbox.Dead("not_handled_by_this_version", "type"), course{}
	}
	v, c = do(ctx, a, e, m)
	return a, v, c
}

// decode is step 3 of the order of checks (ARCHITECTURE.md): whatever it refuses is refused for good.
func (h *Handlers) decode(a events.Address, name events.Name, m *inbox.Message) (event.Event, error) {
	if err := h.serves(a); err != nil {
		return event.Event{}, err
	}
	e, err := events.Decode(m.Header, m.Data)
	if err != nil {
		return event.Event{}, err
	}
	return e, events.Check(e, a, name)
}

// serves refuses, as an *events.Invalid, a tenant or provider that is not configured here.
func (h *Handlers) serves(a events.Address) error {
	if !h.tenants[a.Tenant] {
		return &events.Invalid{Field: "tenant", Reason: "unknown_tenant"}
	}
	if _, ok := h.Providers[a.Provider]; !ok {
		return &events.Invalid{Field: "provider", Reason: "unknown_provider"}
	}
	return nil
}

func dead(err error) inbox.Verdict {
	var invalid *events.Invalid
	if errors.As(err, &invalid) {
		return inbox.Dead(invalid.Reason, invalid.Field)
	}
	return inbox.Dead("undecodable", "data")
}
