package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/links"
)

// heldUntil is the end of a hold. It is counted from the consent, so that whoever
// resumes says the same.
func (h *Handlers) heldUntil(f consents.Flow) time.Time {
	return f.Order.Add(holdLife(h.Providers[f.Provider].Profile()))
}

// dropHeld ends the flow whose replacement a link was held for, because a newer
// consent to the link counts now.
func (h *Handlers) dropHeld(ctx context.Context, l links.Link, newer consents.Flow) error {
	if l.Hold == nil || l.Hold.ID == newer.ID {
		return nil
	}
	_, err := h.endHeld(ctx, *l.Hold, l.Tenant, l.Provider, reasonDropped)
	return err
}

// reasonDropped is why a held flow failed whose link has a newer consent. It is
// told to nobody: the newer consent's own event says enough.
const reasonDropped = "dropped"

// errApproved means that a held flow was approved and is being applied.
var errApproved = errors.New("the held consent was approved")

// endHeld fails a held flow and gives its claim on the login back. It reports the
// flow as it was, if it was held: the flow's own compare-and-set decides between
// an approval, which is errApproved, and everything that ends the hold otherwise. A
// newer consent drops an approved flow too, as long as nothing was ruled on it: the
// approval waits for that consent's exchange to end, and must not be waited for.
func (h *Handlers) endHeld(ctx context.Context, hold links.Hold, tenant, provider, reason string) (*consents.Flow, error) {
	for {
		s, err := h.Flows.Get(ctx, hold.Flow)
		if errors.Is(err, links.ErrNotFound) {
			return nil, nil
		}
		switch {
		case err != nil:
			return nil, err
		case s.Flow.Status == consents.Exchanged && (reason != reasonDropped || s.Flow.Ruling != nil):
			return nil, errApproved
		case s.Flow.Status != consents.Exchanged && s.Flow.Status != consents.Held:
			return nil, nil
		}
		next, _ := s.Flow.Fail(reason)
		err = h.updateFlow(ctx, StepFail, s, next)
		if errors.Is(err, links.ErrConflict) {
			continue
		}
		if err != nil || hold.Exists || hold.Subject == "" {
			return &s.Flow, err
		}
		return &s.Flow, h.Index.Release(ctx, tenant, links.Login(provider, hold.Subject), hold.By)
	}
}
