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

// spare is the first grant of the chain that harms nobody whatever became of the
// refresh token: only that one can be spent by being presented.
func (l Link) spare(r Rules, now time.Time) (GrantType, bool) {
	for _, g := range r.chain() {
		if g != GrantRefreshToken && l.offers(g, r, now) {
			return g, true
		}
	}
	return "", false
}

// unattended says that the link is renewed without its user also when its refresh
// credential has ended.
func (l Link) unattended(r Rules, now time.Time) bool {
	_, ok := l.spare(r, now)
	return ok
}

// presents says whether an attempt by a grant is listed.
func (l Link) presents(g GrantType) bool {
	return slices.ContainsFunc(l.Attempts, func(a Attempt) bool { return a.By() == g })
}

// byAttempt is the grant of a listed attempt; empty for one that is not.
func (l Link) byAttempt(id string) GrantType {
	for _, a := range l.Attempts {
		if a.ID == id {
			return a.By()
		}
	}
	return ""
}

// spend notes that a grant is not to be presented until an answer makes it good.
func (l Link) spend(g GrantType) Link {
	if !slices.Contains(l.Spent, g) {
		l.Spent = append(slices.Clone(l.Spent), g)
	}
	return l
}

// renewed brings the chain up to date with an answer: the grant that brought it is
// good, and a refresh token that came with it has never been presented and has a
// clock of its own. One that was presented, and whose answer is not known, may be
// spent: it goes along where no other took its place, and is not presented again.
func (l Link) renewed(by GrantType, g Grant, r Rules) Link {
	if l.InDoubt || l.Doomed != "" {
		l = l.doubted(r)
	}
	if by != GrantRefreshToken {
		switch {
		case g.Renewed && by != "":
			l.RefreshExpiresAt = time.Time{}
		case !g.Renewed && r.Replay != Safe && l.presents(GrantRefreshToken):
			l = l.spend(GrantRefreshToken)
		}
	}
	if len(l.Spent) > 0 {
		l.Spent = slices.DeleteFunc(slices.Clone(l.Spent), func(s GrantType) bool {
			return s == by || s == GrantRefreshToken && g.Renewed
		})
	}
	l.Awaiting = nil
	return l
}

// doubted takes back what was heard while the provider's word was in doubt, but for
// what may not be presented twice.
func (l Link) doubted(r Rules) Link {
	shown := slices.Contains(l.Spent, GrantRefreshToken) || l.presents(GrantRefreshToken)
	l.Doomed, l.InDoubt, l.Spent = "", false, nil
	if shown && r.Replay != Safe {
		l = l.spend(GrantRefreshToken)
	}
	return l
}

// fallBack goes on to the next grant of the chain after one turned out dead, or
// says that there is none. What may be judged only, because it was presented and its
// answer is not known, counts as one: but not once it has been judged.
func (l Link) fallBack(dead string, r Rules, now time.Time) (Link, bool) {
	next := l.next
	if l.Status == ConsentRequired {
		next = l.spare
	}
	if _, ok := next(r, now); !ok {
		return l, false
	}
	l.Attempts = slices.DeleteFunc(slices.Clone(l.Attempts), func(a Attempt) bool { return a.ID == dead })
	l = l.remember(now, changeSpent, dead)
	if len(l.Attempts) > 0 {
		l.Status = Refreshing // where what is listed is repeated, judged, or left for another grant
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
	if l.Doomed != "" {
		l = l.doubted(r)
	}
	l = l.awaits(reason, now)
	if next, ok := l.fallBack(attempt, r, now); ok {
		return next
	}
	switch {
	case !l.livesOn(now):
		return l.callOwner(o, now)
	case l.Status == Active:
		return l.schedule(l.ExpiresAt, DueRenew)
	default:
		l.Status = Uncertain
		return l.schedule(l.ExpiresAt, DueVerdict)
	}
}

// livesOn says that the bearer has some of its life left, as far as is known.
func (l Link) livesOn(now time.Time) bool { return !l.Refused && now.Before(l.ExpiresAt) }

// callOwner says, once, that the owner of the session is wanted.
func (l Link) callOwner(o Origin, now time.Time) Link {
	l.Status, l.Prompt, l.Doomed, l.AnswersUntil = ConsentRequired, nil, "", time.Time{}
	l = l.schedule(time.Time{}, "")
	if l.Awaiting.Told {
		return l
	}
	w := *l.Awaiting
	w.Told = true
	l.Awaiting = &w
	return l.remember(now, changeVerdict, "").announce(o, now, events.CredentialsRequired{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Reason: w.Reason,
	})
}

// Despair is the verdict on a link that nothing is left to present for: only the
// owner of its session can help, or else its user.
func (l Link) Despair(reason string, o Origin, now time.Time) Link {
	if l.Awaiting != nil {
		return l.callOwner(o, now)
	}
	return l.Condemn(reason, o, now)
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
