package links

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// Hold is a replacement that waits for a decision. It stands beside the link's
// state and not in its place: the link goes on as long as its provider lets it.
type Hold struct {
	// Flow is the key of the held flow, ID its consent's id and Consent its number:
	// the decision names it.
	Flow    string `json:"flow"`
	ID      string `json:"id"`
	Consent uint64 `json:"consent"`
	// By is the link that would take this one's place. Exists: it is a link already.
	By     events.Address `json:"by"`
	Exists bool           `json:"exists,omitzero"`
	// Subject is the HMAC of the login that waits.
	Subject string    `json:"subject,omitzero"`
	Until   time.Time `json:"until"`
	// At is when the hold began.
	At time.Time `json:"at,omitzero"`
}

// HoldFor keeps the link and notes who wants its place. It ends the flow's
// exchange. An earlier hold is dropped: the newer consent counts.
func (l Link) HoldFor(t Taken, exists bool, until time.Time, o Origin, now time.Time) Link {
	l.Consented = l.Numbered()
	h := Hold{Flow: t.Flow, ID: t.ID, Consent: l.Consented, By: t.By, Exists: exists, Subject: t.Subject, Until: until, At: now}
	l.Hold = &h
	l = l.Close(t.Flow).rearm().remember(now, changeHeld, t.ID)
	e := events.LinkReplacementHeld{
		Address: l.Address, Nickname: l.Nickname, Reason: t.Reason, Generation: l.Generation, Consent: h.Consent,
		SubjectHMAC: l.Subject, ReplacementSubjectHMAC: t.Subject, SameCustomer: l.sameCustomer(t.Customer), HeldUntil: until.UTC(),
	}
	if exists {
		e.Replacement = &t.By
	}
	e.ScopesGained, e.ScopesLost, e.AccountsGained, e.AccountsLost = l.against(t)
	return l.announce(o, now, e)
}

// WasHeldFor says whether a consent, by its id, has held the link at some time.
func (l Link) WasHeldFor(consent string) bool {
	return slices.ContainsFunc(l.History, func(c Change) bool { return c.What == changeHeld && c.Attempt == consent })
}

// Holds says whether a consent of this number waits for a decision.
func (l Link) Holds(consent uint64) bool { return l.Hold != nil && l.Hold.Consent == consent }

// DecideHold says what to do after somebody decided on a consent. A
// replayed decision that was first made before the hold began, which first says, was
// about nothing then and is about nothing now.
func (l Link) DecideHold(consent uint64, d events.Decision, first time.Time) Decision {
	switch {
	case !l.Holds(consent):
		return Decision{Action: Finish, Reason: "not_held"}
	case !first.IsZero() && first.Before(l.Hold.At):
		return Decision{Action: Finish, Reason: "older_than_its_hold"}
	case l.Exchange != nil && l.Exchange.Flow != l.Hold.Flow:
		return Decision{Action: Wait, Reason: "exchange_open"} // a newer consent is on its way, and would drop the hold
	case d == events.DecisionReject:
		return Decision{Action: LetGo, Reason: ReasonRejected}
	default:
		return Decision{Action: Approve, Reason: "approved"}
	}
}

// HoldOver says that nobody decided in time.
func (l Link) HoldOver(now time.Time) bool { return l.Hold != nil && !now.Before(l.Hold.Until) }

// The reasons for which a held consent comes to nothing.
const (
	ReasonRejected    = events.ConsentRejected
	ReasonHoldExpired = events.ConsentHoldExpired
)

// LetGo ends a hold without a replacement, and says why.
func (l Link) LetGo(reason string, o Origin, now time.Time) Link {
	if l.Hold == nil {
		return l
	}
	id := l.Hold.ID
	l.Hold = nil
	l = l.rearm().remember(now, changeDropped, id)
	return l.announce(o, now, events.ConsentFailed{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Reason: reason,
	})
}
