package links

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// GrantType is how new tokens are asked for (RFC 6749, 1.3 and 6). A provider's
// chain of them is gone through in order; only when its end is reached, the user is
// asked to consent again.
type GrantType string

// The grant types. GrantAPIKey is a vendor's own: a key of the user's that buys a
// token pair.
const (
	GrantRefreshToken      GrantType = "refresh_token"
	GrantAPIKey            GrantType = "api_key"
	GrantClientCredentials GrantType = "client_credentials"
	// GrantPassword asks the owner of the user's session for the password each time;
	// it is never kept (RFC 6749, 4.3).
	GrantPassword GrantType = "password"
)

var refreshTokenOnly = []GrantType{GrantRefreshToken}

// chain is the order in which grants are tried.
func (r Rules) chain() []GrantType {
	if len(r.Grants) == 0 {
		return refreshTokenOnly
	}
	return r.Grants
}

// By is the grant that an attempt presents.
func (a Attempt) By() GrantType {
	if a.Grant == "" {
		return GrantRefreshToken
	}
	return a.Grant
}

// offers says whether the link can be renewed by a grant, as far as is known.
func (l Link) offers(g GrantType, r Rules, now time.Time) bool {
	switch {
	case slices.Contains(l.Spent, g):
		return false
	case g == GrantRefreshToken:
		return l.Refreshable && (l.RefreshExpiresAt.IsZero() || now.Before(l.RefreshExpiresAt))
	case g == GrantAPIKey:
		return l.APIKey
	case g == GrantPassword && l.Awaiting != nil:
		// Whoever asked last learnt that nobody answers; a storm must not ask for each report.
		return !now.Before(l.Awaiting.AskedAt.Add(r.askAgain())) || now.Before(l.Awaiting.AskedAt)
	default:
		return true
	}
}

// askAgain is the least time between two questions for the same credentials.
func (r Rules) askAgain() time.Duration { return max(r.MinInterval, 10*r.RetryBase) }

// next is the first grant of the chain that the link can be renewed by.
func (l Link) next(r Rules, now time.Time) (GrantType, bool) {
	for _, g := range r.chain() {
		if l.offers(g, r, now) {
			return g, true
		}
	}
	return "", false
}

// unattended says that the link is renewed without its user also when its refresh
// credential has ended.
func (l Link) unattended(r Rules, now time.Time) bool {
	return slices.ContainsFunc(r.chain(), func(g GrantType) bool { return g != GrantRefreshToken && l.offers(g, r, now) })
}

// presents says whether an attempt by a grant is listed.
func (l Link) presents(g GrantType) bool {
	return slices.ContainsFunc(l.Attempts, func(a Attempt) bool { return a.By() == g })
}

// byAttempt is the grant of a listed attempt.
func (l Link) byAttempt(id string) GrantType {
	for _, a := range l.Attempts {
		if a.ID == id {
			return a.By()
		}
	}
	return GrantRefreshToken
}

// renewed brings the chain up to date with an answer: the grant that brought it is
// good, and a refresh token that came with it has never been presented.
func (l Link) renewed(by GrantType, g Grant) Link {
	if len(l.Spent) > 0 {
		l.Spent = slices.DeleteFunc(slices.Clone(l.Spent), func(s GrantType) bool {
			return s == by || s == GrantRefreshToken && g.Renewed
		})
	}
	l.Awaiting = nil
	return l
}

// fallBack goes on to the next grant of the chain after one turned out dead, or
// says that there is none.
func (l Link) fallBack(dead string, r Rules, now time.Time) (Link, bool) {
	if _, ok := l.next(r, now); !ok {
		return l, false
	}
	l.Attempts = slices.DeleteFunc(slices.Clone(l.Attempts), func(a Attempt) bool { return a.ID == dead })
	l = l.remember(now, changeSpent, dead)
	if len(l.Attempts) > 0 {
		return l.schedule(now, DueRepeat), true
	}
	l.Status, l.Attempts, l.FirstIntentAt = Active, nil, time.Time{}
	return l.schedule(now, DueRetry), true
}

// Awaiting is a link whose credentials live in a session that nobody answers for.
type Awaiting struct {
	Since   time.Time `json:"since"`
	AskedAt time.Time `json:"asked_at"`
	Reason  string    `json:"reason"`
	// Told: credentials-required was announced.
	Told bool `json:"told,omitzero"`
}

// The reasons of credentials-required.
const (
	CredentialsNoAnswer = "no_answer"
	CredentialsRefused  = "refused"
)

// CredentialsMissing is the judgement on a link whose next grant needs credentials
// that nobody brought, or that the provider refused in an attempt (R18): the grants
// after it are tried, and without any the owner of the session is called for, once. A
// bearer that lives is left its life. A report that comes later asks again.
func (l Link) CredentialsMissing(attempt, reason string, o Origin, now time.Time, r Rules) Link {
	l = l.awaits(reason, now)
	if next, ok := l.fallBack(attempt, r, now); ok {
		return next
	}
	if l.Status == Active && l.BearerAlive(now) && now.Before(l.ExpiresAt) {
		return l.schedule(l.ExpiresAt, DueRenew)
	}
	l.Status, l.Prompt, l.AnswersUntil = ConsentRequired, nil, time.Time{}
	l = l.schedule(time.Time{}, "")
	if l.Awaiting.Told {
		return l
	}
	l.Awaiting.Told = true
	return l.remember(now, changeVerdict, "").announce(o, now, events.CredentialsRequired{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Reason: reason,
	})
}

func (l Link) awaits(reason string, now time.Time) Link {
	w := Awaiting{Since: now, AskedAt: now, Reason: reason}
	if l.Awaiting != nil {
		w.Since, w.Told = l.Awaiting.Since, l.Awaiting.Told
	}
	l.Awaiting = &w
	return l
}

// decideAwaiting is what a report makes of a link that waits for credentials: its
// user may have begun another session.
func (l Link) decideAwaiting(t Trigger, v View) Decision {
	if l.Awaiting == nil || t.Timer || !l.offers(GrantPassword, v.Rules, v.Now) {
		return Decision{Action: Finish, Reason: string(l.Status)}
	}
	return Decision{Action: Begin, Grant: GrantPassword, Reason: "session_may_be_back"}
}
