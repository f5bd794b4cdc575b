package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
	"github.com/regrant/regrant/links"
)

// Explain says what would become of an input about a link if it came now, by the
// decisions that its handler would take, and does nothing: no lock is taken, nothing is
// written, and no attempt begins to be watched. Errors are *api.Error.
func (h *Handlers) Explain(ctx context.Context, a events.Address, in api.Explain) (api.Explanation, error) {
	if err := in.Validate(); err != nil {
		return api.Explanation{}, err
	}
	c, err := h.course(ctx, a, in)
	switch {
	case errors.Is(err, links.ErrNotFound):
		c = refusedCourse(inbox.Dead("unknown_link", "link"))
	case err != nil:
		return api.Explanation{}, h.notNow(a, err)
	}
	return api.Explanation{Verdict: c.verdict, Reason: c.reason, Field: c.field, Sentence: c.sentence(), Calls: c.calls}, nil
}

func (h *Handlers) course(ctx context.Context, a events.Address, in api.Explain) (course, error) {
	if err := h.serves(a); err != nil {
		return refusedCourse(dead(err)), nil
	}
	if in.Type == events.NameTokenExpired {
		return h.courseOfReport(ctx, a, links.Trigger{Generation: in.Generation, Fingerprint: in.Fingerprint, Reason: in.Reason, First: in.First})
	}
	if in.Type == events.NameReconsentCompleted {
		return h.courseOfReturn(ctx, returned{Address: a, key: in.Flow, code: in.Code, staged: in.Staged, iss: in.Iss, user: in.User})
	}
	s, err := h.Store.Latest(ctx, a)
	if err != nil {
		return course{}, err
	}
	if in.Type == events.NameLinkReplacementDecided {
		return courseOf(s.Link.DecideHold(in.Consent, in.Decision, in.First)), nil
	}
	return h.courseOfLogout(ctx, s.Link, in.Scope, requestedAt(in.Time, h.first(in)))
}

// first is when an input that is explained was stored first.
func (h *Handlers) first(in api.Explain) time.Time {
	if in.First.IsZero() {
		return h.Clock()
	}
	return in.First
}

func (h *Handlers) courseOfReport(ctx context.Context, a events.Address, t links.Trigger) (course, error) {
	s, err := h.Store.Latest(ctx, a)
	if err != nil {
		return course{}, err
	}
	j := &job{addr: a, trigger: t, locked: true}
	for {
		view := h.view(j)
		view.See = func(attempt string) links.Sight { return h.sights.glance(attempt, h.Clock(), j.patiences()) }
		d, _ := h.judged(s.Link, t, view)
		if d.Action != links.AskStore {
			return courseOf(d), nil
		}
		h.askStore(ctx, j)
	}
}

func (h *Handlers) courseOfReturn(ctx context.Context, r returned) (course, error) {
	s, err := h.Flows.Get(ctx, r.key)
	if errors.Is(err, links.ErrNotFound) {
		return refusedCourse(r.unknown()), nil
	}
	if err != nil {
		return course{}, err
	}
	if reason, field := h.refuses(s.Flow, r, h.Clock()); reason != "" {
		return refusedCourse(inbox.Dead(reason, field)), nil
	}
	return courseOfFlow(s.Flow), nil
}

// courseOfLogout is what a logout of that moment comes to. One of a user acts as long as
// any of the user's links is to be ended.
func (h *Handlers) courseOfLogout(ctx context.Context, l links.Link, scope events.LogoutScope, at time.Time) (course, error) {
	c := courseOf(l.DecideLogout(at))
	if scope != events.LogoutUser || c.verdict == api.Acts {
		return c, nil
	}
	others, err := h.othersOf(ctx, l)
	if err != nil {
		return course{}, err
	}
	for _, a := range others {
		s, err := h.Store.Latest(ctx, a)
		if errors.Is(err, links.ErrNotFound) {
			continue
		}
		if err != nil {
			return course{}, err
		}
		if s.Link.DecideLogout(at).Action == links.LogOut {
			return course{verdict: api.Acts, reason: "another_link_of_the_user", calls: true}, nil
		}
	}
	return c, nil
}
