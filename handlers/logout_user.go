package handlers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// leave logs a user out of all links but this one. The logout is noted first and the
// links are listed then, while who makes a link notes its user, makes it, and looks for a
// logout last: a link that the list lacks finds the note (outSince).
func (h *Handlers) leave(ctx context.Context, j *job, l links.Link, e event.Event, m *inbox.Message) error {
	if err := h.noteOut(ctx, l, j.storedAt); err != nil {
		return err
	}
	others, err := h.othersOf(ctx, l)
	if err != nil {
		return err
	}
	for _, a := range others {
		err := h.forward(ctx, outOf{a, e.ID() + "/" + a.String(), j.storedAt, causedBy(ctx, e)}, m.Header, m.StoredAt)
		if err != nil {
			return err
		}
	}
	return nil
}

// noteOut notes in the index that a link's user logged out of everything, unless a later
// such logout is noted.
func (h *Handlers) noteOut(ctx context.Context, l links.Link, at time.Time) error {
	name := links.Everything(h.Keys.User(l.Tenant, l.User))
	for {
		last, err := h.Index.Owner(ctx, l.Tenant, name)
		if err != nil || !last.Order.Before(at) {
			return err
		}
		err = h.Index.Take(ctx, l.Tenant, name, links.Owner{Address: l.Address, Order: at, Revision: last.Revision})
		if !errors.Is(err, links.ErrConflict) {
			return err
		}
	}
}

// outAt is when the user of a flow logged out of everything last; zero: never.
func (h *Handlers) outAt(ctx context.Context, f consents.Flow) (time.Time, error) {
	last, err := h.Index.Owner(ctx, f.Tenant, links.Everything(h.Keys.User(f.Tenant, f.User)))
	return last.Order, err
}

// outSince asks for the logout of a link that has got the tokens of a consent whose user
// has logged out of everything since: who did that may have listed the links before it
// was there.
func (h *Handlers) outSince(ctx context.Context, j *flowJob, f consents.Flow) error {
	if f.Ruling.Target == consents.ToNobody || f.Ruling.Target == consents.ToHold {
		return nil
	}
	at, err := h.outAt(ctx, f)
	if err != nil || !at.After(f.Order) {
		return err
	}
	return h.forward(ctx, outOf{f.Ruling.Link, f.ID + "/" + f.Ruling.Link.String(), at, j.trace}, nil, at)
}

// outOf is a logout of one link that a user's logout of that time led to. The id follows
// from what led to it, so that asking again is harmless.
type outOf struct {
	link  events.Address
	id    string
	at    time.Time
	trace events.Trace
}

// forward asks for a logout. It is as old as what led to it, of which header and time tell.
func (h *Handlers) forward(ctx context.Context, o outOf, header map[string][]string, storedAt time.Time) error {
	if h.Forward == nil {
		return errors.New("this worker cannot publish inputs")
	}
	in, err := events.NewInput(h.Source, o.id, o.at, o.trace, events.LogoutRequested{Address: o.link, Scope: events.LogoutLink})
	if err != nil {
		return err
	}
	asks, err := h.Subjects.InputMessage(in)
	if err != nil {
		return err
	}
	asks.Follow(header, storedAt)
	return h.Forward(ctx, asks)
}

// othersOf are the other links of a link's user in its tenant.
func (h *Handlers) othersOf(ctx context.Context, l links.Link) ([]events.Address, error) {
	all, err := h.Index.OfUser(ctx, l.Tenant, h.Keys.User(l.Tenant, l.User))
	return slices.DeleteFunc(all, func(a events.Address) bool { return a == l.Address }), err
}
