package links

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// How many fresh bearers may be refused within Rules.FreshWindow before refreshing
// stops. Where one bearer lives at a time, another client of the login is the
// likely cause, and one case more is needed to tell it from an accident.
const (
	refusedFreshLimit = 3
	foreignKillLimit  = 4
)

// The reasons of token-rejected.
const (
	RejectedFresh   = "refused_fresh"
	RejectedForeign = "foreign_kills"
)

// refusedFresh says that a bearer of our own making was refused before its time. Of a
// generation without one, whose answer was cut short, only a mistake says so.
func (l Link) refusedFresh(r Rules, now time.Time) bool {
	age := now.Sub(l.IssuedAt)
	return l.Refused && l.Fingerprint != "" && l.Generation > 1 && r.FreshWindow > 0 && age >= 0 && age < r.FreshWindow &&
		(l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

// refusals are the moments within the window at which fresh bearers were refused.
func (l Link) refusals(r Rules, now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(l.FreshRefusals), func(at time.Time) bool {
		return now.Sub(at) >= r.FreshWindow || at.After(now)
	})
}

func (r Rules) rejection() (limit int, reason string) {
	if r.SingleActive {
		return foreignKillLimit, RejectedForeign
	}
	return refusedFreshLimit, RejectedFresh
}

// rejected says whether refreshing is to stop: what it yields is refused, over and
// over (R19).
func (l Link) rejected(r Rules, now time.Time) bool {
	if !l.refusedFresh(r, now) {
		return false
	}
	limit, _ := r.rejection()
	return len(l.refusals(r, now))+1 >= limit
}

// counted keeps that the bearer which is now replaced was refused fresh: once for
// each, however often it took to replace it.
func (l Link) counted(r Rules, now time.Time) Link {
	switch {
	case l.refusedFresh(r, now):
		l.FreshRefusals = append(l.refusals(r, now), now)
		return l
	case len(l.FreshRefusals) > 0:
		l.FreshRefusals = l.refusals(r, now)
	}
	if l.Stop != nil && l.Generation > l.Stop.Generation {
		l.Stop = nil // a bearer lived since
	}
	return l
}

// Stop is how often in a row a link's refreshing was stopped, and at which
// generation last.
type Stop struct {
	Times      int    `json:"times"`
	Generation uint64 `json:"generation"`
}

// maxStops bounds how often the pause is doubled: to some eleven hours.
const maxStops = 6

// Reject stops refreshing for a window, and says why. After it one refresh is tried:
// should that come to the same, the pause is twice as long, and so is the time until
// somebody hears of it again.
func (l Link) Reject(v View, o Origin) Link {
	_, reason := v.Rules.rejection()
	n := len(l.refusals(v.Rules, v.Now)) + 1
	stop := Stop{Times: 1, Generation: l.Generation}
	if l.Stop != nil {
		stop.Times = min(l.Stop.Times+1, maxStops+1)
	}
	l.Refused, l.FreshRefusals, l.Stop = true, nil, &stop
	pause := v.Rules.FreshWindow << (stop.Times - 1)
	l = l.schedule(v.Now.Add(pause), DueRetry).remember(v.Now, changeRejected, "")
	return l.announce(o, v.Now, events.TokenRejected{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Reason: reason,
		Count: uint64(n), Window: uint64(v.Rules.FreshWindow / time.Second),
	})
}

// HoldVerdict leaves a link whose grant was called dead without a verdict for a
// while: so many were that the provider's word is in doubt. What is served stays
// served. The attempt that heard it has had its answer; what may be presented again
// is, once grants have stopped dying.
func (l Link) HoldVerdict(attempt, reason string, now time.Time, r Rules, jitter float64) Link {
	if by := l.byAttempt(attempt); by != "" && by != GrantPassword {
		l = l.spend(by)
	}
	l.Attempts = slices.DeleteFunc(slices.Clone(l.Attempts), func(a Attempt) bool { return a.ID == attempt })
	l.Status, l.Doomed, l.InDoubt, l.AnswersUntil = Uncertain, reason, false, time.Time{}
	return l.schedule(now.Add(r.RetryMax+time.Duration(jitter*float64(r.RetryMax)/5)), DueVerdict)
}

// Doubtful notes that a grant was called dead while the provider's word was in doubt,
// and that the next one of the chain takes over.
func (l Link) Doubtful() Link {
	l.InDoubt = true
	return l
}

// Undecided says that next calls for the user, and rests on a word that was in doubt:
// what that was about is tried once more before (HoldVerdict).
func (l Link) Undecided(next Link) bool { return l.InDoubt && next.Status == ConsentRequired }

// Say announces what is not about the link itself, in its outbox: an app has none.
func (l Link) Say(d events.Data, o Origin, now time.Time) Link { return l.announce(o, now, d) }
