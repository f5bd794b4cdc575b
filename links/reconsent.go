package links

import (
	"cmp"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// Completed is a consent that is to become a link's own.
type Completed struct {
	// Flow is the key of its record, ID the consent's own id, Event the input that
	// brought it.
	Flow, ID, Event string
	// Order is its place among all consents.
	Order time.Time
	// Requested is the link that the flow was begun for, where that is another one.
	Requested *events.Address
	// Supersedes is the link that loses the login to this one.
	Supersedes *events.Address
	// Late: the flow was given up before its answer came.
	Late                        bool
	Subject, ClientID, Customer string
	Nickname                    string
	Accounts                    []string
	AccountsUnknown             string
	Grant                       Grant
}

// Has says whether a consent was applied to the link.
func (l Link) Has(consent string) bool {
	return slices.ContainsFunc(l.Consents, func(c Consent) bool { return c.Flow == consent })
}

// Live says that the link has a grant of its own, which another login would
// replace.
func (l Link) Live() bool { return l.Generation > 0 && !l.Status.Ended() }

// Overtakes says that the link's consent is newer than one of this order.
func (l Link) Overtakes(order time.Time) bool {
	return !l.ConsentOrder.IsZero() && l.ConsentOrder.After(order)
}

// DecideLogout says what to do after a logout that was asked for at that time: a link
// that was made, or a consent that came, after it is not what it asked to end.
func (l Link) DecideLogout(at time.Time) Decision {
	switch {
	case l.ConsentOrder.IsZero() && l.MadeAt.After(at):
		return Decision{Action: Finish, Reason: "made_since"}
	case l.Status == Revoked && !l.ConsentOrder.Before(at):
		return Decision{Action: Finish, Reason: "logged_out_already"}
	case l.Status == Revoked: // a consent that is on its way may be older than this logout and newer than the last
		return Decision{Action: Mark, Reason: "logged_out_again"}
	case l.Overtakes(at):
		return Decision{Action: Finish, Reason: "consented_since"}
	default:
		return Decision{Action: LogOut, Reason: "logged_out"}
	}
}

// Numbered is the number that the link's next completed consent gets.
func (l Link) Numbered() uint64 { return max(l.Consented, l.Consent) + 1 }

// Reconsent makes a completed consent the link's own, from whatever state: its
// first, or one in place of an earlier one (model: commit of an exchange).
// c.Grant.Sealed is bound to (Numbered, Generation + 1). Presentations of the
// earlier consent are not listed any more: their answers come late. The exchange
// stays open: whoever finds it so knows that the flow is not at its end.
func (l Link) Reconsent(c Completed, o Origin, now time.Time, r Rules, jitter float64) Link {
	was := l
	l.Consented = l.Numbered()
	l.Consent, l.ConsentOrder, l.MadeAt = l.Consented, c.Order, time.Time{}
	l.RefreshExpiresAt, l.ConsentExpiresAt = time.Time{}, time.Time{} // those of the earlier consent
	l.Spent, l.FreshRefusals, l.Stop = nil, nil, nil
	l = l.renewed("", c.Grant, r).adopt(c.Grant, r, jitter)
	l.Attempts, l.FirstIntentAt, l.AnswersUntil = nil, time.Time{}, time.Time{}
	l = l.Drop(KeptPending).Drop(KeptCandidate)
	l.Hold, l.Successor = nil, nil
	l.Subject, l.ClientID, l.Customer = c.Subject, c.ClientID, c.Customer
	l.Nickname = cmp.Or(c.Nickname, l.Nickname)
	l.Scopes, l.Accounts, l.AccountsUnknown = c.Grant.Scopes, c.accounts(was), c.AccountsUnknown
	l = l.agreed(c, now).remember(now, changeConsent, c.ID)
	if !was.Live() {
		return l.announceCreated(c, o, now)
	}
	return l.announceConsent(c, was, o, now)
}

// accounts are those that the consent covers, or those known so far where they
// could not be read.
func (c Completed) accounts(was Link) []string {
	if c.AccountsUnknown != "" {
		return was.Accounts
	}
	return c.Accounts
}

// agreed adds the consent to those that the link has had.
func (l Link) agreed(c Completed, now time.Time) Link {
	l.Consents = append(slices.Clone(l.Consents), Consent{
		Number: l.Consent, At: now, Cause: string(events.CauseReconsent), Event: c.Event, Flow: c.ID,
		Scopes: l.Scopes, Accounts: l.Accounts, Until: l.ConsentExpiresAt,
	})
	if extra := len(l.Consents) - maxConsents; extra > 0 {
		l.Consents = l.Consents[extra:]
	}
	return l
}

func (l Link) announceCreated(c Completed, o Origin, now time.Time) Link {
	return l.announce(o, now, events.LinkCreated{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Cause: events.CauseReconsent,
		ExpiresAt: optional(l.ExpiresAt), RefreshExpiresAt: optional(l.RefreshExpiresAt), ConsentExpiresAt: optional(l.ConsentExpiresAt),
		Scopes: l.Scopes, Accounts: l.Accounts, AccountsUnknown: c.AccountsUnknown, Supersedes: c.Supersedes, Requested: c.Requested,
	})
}

// announceConsent says what a live link gained and lost. The previous bearer
// counts as dead: a new consent may have ended it, and nobody can tell.
func (l Link) announceConsent(c Completed, was Link, o Origin, now time.Time) Link {
	e := events.TokenRotated{
		Address: l.Address, Generation: l.Generation, PreviousGeneration: was.Generation, Consent: l.Consent, Cause: events.CauseReconsent,
		ExpiresAt: optional(l.ExpiresAt), RefreshExpiresAt: optional(l.RefreshExpiresAt), ConsentExpiresAt: optional(l.ConsentExpiresAt),
		Scopes: l.Scopes, ScopesGained: difference(l.Scopes, was.Scopes), ScopesLost: difference(was.Scopes, l.Scopes),
		AccountsGained: difference(l.Accounts, was.Accounts), AccountsLost: difference(was.Accounts, l.Accounts),
		AccountsUnknown: c.AccountsUnknown, ClaimsChanged: c.Grant.ClaimsChanged, Requested: c.Requested, Supersedes: c.Supersedes,
		Comparison: events.Comparison(cmp.Or(c.Grant.Comparison, string(events.ComparisonUnknown))),
	}
	l = l.announce(o, now, e)
	from := was.recoversFrom()
	if from == "" && (c.Late || was.Status == Quarantined) {
		from = was.Status
	}
	if from == "" {
		return l
	}
	return l.announce(o, now, events.LinkRecovered{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, From: string(from),
	})
}

// Taken says to whom a link loses its place or its login, and what the new login
// brings compared with the old one.
type Taken struct {
	// Flow is the key of the flow that took it, where that was begun for this link: its
	// exchange ends with this. ID is its consent's id.
	Flow, ID string
	// Order is the place of that consent among all.
	Order  time.Time
	By     events.Address
	Reason events.ReplacedReason
	// Subject and Customer are HMACs of the new login; Scopes and Accounts what it
	// may be used for. AccountsKnown: Accounts can be compared.
	Subject, Customer string
	Scopes, Accounts  []string
	AccountsKnown     bool
}

// Lose ends a link whose login, or whose place, another one has now: Superseded
// where somebody else linked the login, Replaced where its own user came back as
// another login. Legal from every state, without the link's lock: whatever is
// presented for it still, its answer comes late. It is not revoked: a revocation
// may take the new grant with it.
func (l Link) Lose(t Taken, o Origin, now time.Time) Link {
	l = l.Close(t.Flow)
	if l.Overtakes(t.Order) {
		return l
	}
	l.ConsentOrder = t.Order // a consent that began before this one does not bring the link back
	if l.Status.Ended() {
		return l
	}
	l.Status = Replaced
	if t.Reason == events.ReplacedOtherOwner {
		l.Status = Superseded
	}
	by := t.By
	l.Successor, l.Hold, l.Prompt, l.Attempts = &by, nil, nil, nil
	l.FirstIntentAt, l.AnswersUntil = time.Time{}, time.Time{}
	l = l.schedule(time.Time{}, "").remember(now, changeLost, t.ID)
	e := events.LinkReplaced{
		Address: l.Address, Nickname: l.Nickname, Replacement: t.By, Reason: t.Reason, Generation: l.Generation, Consent: l.Consent,
		SubjectHMAC: l.Subject, SameCustomer: events.CustomerUnknown,
	}
	if t.Reason != events.ReplacedOtherOwner { // whose link is not this one's user's business
		e.ReplacementSubjectHMAC, e.SameCustomer = t.Subject, l.sameCustomer(t.Customer)
		e.ScopesGained, e.ScopesLost, e.AccountsGained, e.AccountsLost = l.against(t)
	}
	return l.announce(o, now, e)
}

// Revoke ends a link by a logout of that moment, by the store's time: a consent
// that began before it does not bring the link back. The tokens go.
func (l Link) Revoke(reason string, atProvider bool, at time.Time, o Origin, now time.Time) Link {
	if !l.Overtakes(at) {
		l.ConsentOrder = at
	}
	if l.Status == Revoked {
		return l.rearm()
	}
	l.Status, l.Successor, l.Hold, l.Prompt, l.Attempts = Revoked, nil, nil, nil, nil
	l.FirstIntentAt, l.AnswersUntil = time.Time{}, time.Time{}
	l.Sealed, l.Kept, l.Refreshable, l.APIKey = nil, nil, false, false
	l = l.schedule(time.Time{}, "").remember(now, changeRevoked, "")
	return l.announce(o, now, events.LinkRevoked{
		Address: l.Address, Generation: l.Generation, Consent: l.Consent, Reason: reason, AtProvider: atProvider,
	})
}

// against compares what two logins may be used for.
func (l Link) against(t Taken) (scopesGained, scopesLost, accountsGained, accountsLost []string) {
	scopesGained, scopesLost = difference(t.Scopes, l.Scopes), difference(l.Scopes, t.Scopes)
	if t.AccountsKnown && l.AccountsUnknown == "" {
		accountsGained, accountsLost = difference(t.Accounts, l.Accounts), difference(l.Accounts, t.Accounts)
	}
	return scopesGained, scopesLost, accountsGained, accountsLost
}

// sameCustomer compares persons where the provider tells both (R26).
func (l Link) sameCustomer(other string) events.SameCustomer {
	switch {
	case l.Customer == "" || other == "":
		return events.CustomerUnknown
	case l.Customer == other:
		return events.CustomerSame
	default:
		return events.CustomerOther
	}
}
