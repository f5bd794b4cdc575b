package links

import (
	"cmp"
	"slices"
	"time"

	"github.com/regrant/regrant/events"
)

// Result is what became of an answer that met the record.
type Result uint8

// The results of Commit.
const (
	// ResultCommitted: the answer is the new generation.
	ResultCommitted Result = iota
	// ResultAlready: this attempt's answer was committed before; nothing changed.
	ResultAlready
	// ResultCandidate: a second success of a generation; kept.
	ResultCandidate
	// ResultLate: a newer consent or the end of the link came first; kept, never promoted.
	ResultLate
)

var resultNames = [...]string{"committed", "already", "candidate", "late"}

func (r Result) String() string { return resultNames[r] }

// Claim names the presentation that an answer belongs to.
type Claim struct {
	Attempt             string
	Consent, Generation uint64
}

// Answers says what an answer to this presentation would be to the link now.
// Commit, Park and Quarantine follow it, so they agree (model: commit).
func (l Link) Answers(c Claim, r Rules) Result {
	cur, _ := l.Current()
	switch {
	case l.Committed(c.Attempt):
		return ResultAlready
	case c.Consent != l.Consent || l.Status.Ended() || c.Generation+1 < l.Generation:
		return ResultLate // the grant has lived on without it: a refresh of its successor succeeded
	case c.Generation != l.Generation || !l.Lists(c.Attempt) || l.Status == Quarantined:
		return ResultCandidate
	case r.Replay == UntilSuccessorUsed && l.Status == Refreshing && cur.ID != c.Attempt:
		return ResultCandidate // the newer attempt may not be sent yet: handing out this answer's bearer would end its window
	default:
		return ResultCommitted
	}
}

// Commit makes a verified answer the new generation. It is legal from every
// state in which the attempt is listed, also after a verdict: what the provider
// gave is never thrown away because somebody despaired too early.
func (l Link) Commit(c Claim, g Grant, cause events.Cause, o Origin, now time.Time, r Rules, jitter float64) Link {
	from := l.recoversFrom()
	r.PreviousStillValid = r.PreviousStillValid && !l.Refused // a bearer that was refused is dead, whatever its provider lets live
	l = l.counted(r, now).renewed(l.byAttempt(c.Attempt), g, r).adopt(g, r, jitter)
	l.Attempts, l.FirstIntentAt, l.AnswersUntil = nil, time.Time{}, time.Time{}
	l = l.Drop(KeptPending).Drop(KeptCandidate) // candidates were kept against this grant's death
	l = l.remember(now, changeCommit, c.Attempt)
	l = l.announceRotation(g, cause, o, now, r)
	if from != "" {
		l = l.announce(o, now, events.LinkRecovered{
			Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, From: string(from),
		})
	}
	return l
}

// recoversFrom is the state whose end is announced when a new generation comes;
// empty where nobody was worried. An answer that came after the verdict may have
// waited for its keys meanwhile.
func (l Link) recoversFrom() Status {
	condemned := slices.ContainsFunc(l.History, func(c Change) bool {
		return c.What == changeVerdict && c.Generation == l.Generation && c.Consent == l.Consent
	})
	switch {
	case l.Status == Uncertain, l.Status == ConsentRequired:
		return l.Status
	case condemned && (l.Status == Unverified || l.Status == Refreshing): // the latter, where its credentials are back
		return ConsentRequired
	default:
		return ""
	}
}

// Promote makes a kept candidate the next generation after the current grant
// turned out dead or lost: the provider gave two grants for one credential, or
// an answer that was cut short, and this may be the one that it remembers. A
// candidate without a bearer is nothing to announce: it is refreshed at once.
func (l Link) Promote(k Kept, g Grant, o Origin, now time.Time, r Rules, jitter float64) Link {
	c := Claim{Attempt: k.Attempt, Consent: k.Consent, Generation: k.Generation}
	if g.Fingerprint != "" {
		return l.Commit(c, g, events.CauseCandidate, o, now, r, jitter)
	}
	l = l.counted(r, now).renewed(GrantRefreshToken, g, r).adopt(g, r, jitter)
	l.Attempts, l.FirstIntentAt, l.AnswersUntil = nil, time.Time{}, time.Time{}
	return l.Drop(KeptCandidate).remember(now, changeCommit, c.Attempt).schedule(now, DueRetry)
}

// adopt takes over what a grant brings and makes it the next generation.
func (l Link) adopt(g Grant, r Rules, jitter float64) Link {
	l.Status = Active
	l.Generation, l.CommittedAt = l.Generation+1, time.Time{}
	l.Fingerprint, l.Refreshable, l.APIKey, l.Sealed = g.Fingerprint, g.Refreshable, g.APIKey, g.Sealed
	l.IssuedAt, l.ExpiresAt = g.IssuedAt, g.ExpiresAt
	if !g.RefreshExpiresAt.IsZero() {
		l.RefreshExpiresAt = g.RefreshExpiresAt
	}
	if !g.ConsentExpiresAt.IsZero() {
		l.ConsentExpiresAt = g.ConsentExpiresAt
	}
	l.Refused, l.Failures, l.Doomed = false, 0, ""
	return l.expect(r).attend(r, jitter)
}

// attend schedules what keeps the new generation alive: the renewal of the bearer,
// or that of the refresh credential where it comes first.
func (l Link) attend(r Rules, jitter float64) Link {
	at, why := r.renewal(l.IssuedAt, l.ExpiresAt, jitter), DueRenew
	if _, ok := l.next(r, l.IssuedAt); !ok {
		return l.schedule(time.Time{}, "")
	}
	if !l.offers(GrantRefreshToken, r, l.IssuedAt) {
		return l.schedule(at, why)
	}
	if alive := r.keptAlive(l.IssuedAt, l.RefreshExpiresAt, jitter); !alive.IsZero() && (at.IsZero() || alive.Before(at)) {
		at, why = alive, DueKeepAlive
	}
	return l.schedule(at, why)
}

func (l Link) announceRotation(g Grant, cause events.Cause, o Origin, now time.Time, r Rules) Link {
	gained, lost := []string(nil), []string(nil)
	if g.ScopesGiven {
		gained, lost = difference(g.Scopes, l.Scopes), difference(l.Scopes, g.Scopes)
		l.Scopes = g.Scopes
	}
	return l.announce(o, now, events.TokenRotated{
		Address: l.Address, Generation: l.Generation, PreviousGeneration: l.Generation - 1, Consent: l.Consent, Cause: cause,
		ExpiresAt: optional(l.ExpiresAt), RefreshExpiresAt: optional(l.RefreshExpiresAt), ConsentExpiresAt: optional(l.ConsentExpiresAt),
		PreviousStillValid: r.PreviousStillValid, Scopes: l.Scopes, ScopesGained: gained, ScopesLost: lost, ClaimsChanged: g.ClaimsChanged,
		Comparison: events.Comparison(cmp.Or(g.Comparison, string(events.ComparisonUnknown))),
	})
}

// Keep puts a sealed answer aside that must not become the current one.
func (l Link) Keep(c Claim, kind KeptKind, sealed []byte, now time.Time) Link {
	return l.keep(Kept{Kind: kind, Attempt: c.Attempt, Consent: c.Consent, Generation: c.Generation, At: now, Sealed: sealed})
}

// Park saves an answer whose verification keys were not reachable. The previous
// bearer stays served; a timer asks again.
func (l Link) Park(c Claim, sealed []byte, now time.Time, r Rules, jitter float64) Link {
	l = l.Keep(c, KeptPending, sealed, now)
	l.Status = Unverified
	l.Failures++
	return l.schedule(now.Add(r.backoff(l.Failures, jitter)), DueVerify)
}

// Quarantine stops a link whose provider answered with somebody else's identity
// or a forged token. The answer is kept as evidence; nothing of it is served.
func (l Link) Quarantine(c Claim, sealed []byte, reason string, o Origin, now time.Time) Link {
	l = l.Drop(KeptPending).Keep(c, KeptHostile, sealed, now)
	l.Status = Quarantined
	l = l.schedule(time.Time{}, "").remember(now, changeVerdict, "")
	return l.announce(o, now, events.LinkQuarantined{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Reason: reason,
	})
}

// Judged says whether a verdict on this attempt still concerns the link: not
// after a newer consent or generation, and once only (model: verdict).
func (l Link) Judged(c Claim) bool {
	return c.Consent == l.Consent && c.Generation == l.Generation && l.Lists(c.Attempt) && l.Status.open() && l.Exchange == nil
}

// Condemn ends in ConsentRequired: the grant is dead, or its outcome stays
// unknown. Listed attempts stay listed: a late answer still saves the link.
func (l Link) Condemn(reason string, o Origin, now time.Time) Link {
	l.Status, l.Prompt, l.Doomed = ConsentRequired, nil, ""
	l.AnswersUntil = time.Time{}
	l = l.schedule(time.Time{}, "").remember(now, changeVerdict, "")
	return l.announce(o, now, events.ConsentRequired{
		Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Reason: reason,
	})
}

// Dead is the verdict on an attempt that the provider answered with "the grant
// is dead": the next grant of the chain takes over, or else its user must. With
// other presentations listed the likely reason is that one of those was carried out
// and its answer lost.
func (l Link) Dead(attempt, code string, o Origin, now time.Time, r Rules) Link {
	by := l.byAttempt(attempt)
	if by == GrantPassword {
		return l.CredentialsMissing(attempt, CredentialsRefused, o, now, r)
	}
	reason := code
	if len(l.Attempts) > 1 {
		reason = ReasonAmbiguousConsumed
	}
	l = l.spend(by)
	if next, ok := l.fallBack(attempt, r, now); ok {
		return next
	}
	return l.Despair(reason, o, now)
}

// The reasons of consent-required that this package gives.
const (
	ReasonOutcomeUnknown    = "outcome_unknown"
	ReasonAmbiguousConsumed = "ambiguous_consumed"
	ReasonGrantDead         = "grant_dead"
	ReasonNoRefreshToken    = "no_refresh_token"
	ReasonRefreshExpired    = "refresh_expired"
	ReasonConsentExpired    = "consent_expired"
)

// GiveUp judges a link none of whose presentations may be repeated: Uncertain
// while an answer may still come or the old bearer may live, then
// ConsentRequired (model: D_TAKE without may_repeat, D_EXPIRE).
func (l Link) GiveUp(v View, o Origin) Link {
	if l.Doomed != "" {
		return l.Despair(l.Doomed, o, v.Now)
	}
	if l.Status != Uncertain && l.AnswersUntil.IsZero() { // else another grant was tried meanwhile, which gives nobody more time
		l.AnswersUntil = l.answersUntil(v)
	}
	l.Status = Uncertain
	return l.settleUncertain(v.StoreNow, o)
}

// Mark notes that the old bearer was refused while a timer or an unknown outcome
// decides what comes next.
func (l Link) Mark(v View, o Origin) Link {
	l.Refused = true
	if l.Status != Uncertain || l.Doomed != "" {
		return l
	}
	return l.settleUncertain(v.StoreNow, o)
}

func (l Link) settleUncertain(now time.Time, o Origin) Link {
	switch at, ever := l.verdictAt(now); {
	case !ever:
		return l.schedule(time.Time{}, "")
	case at.After(now):
		return l.schedule(at, DueVerdict)
	default:
		return l.Despair(ReasonOutcomeUnknown, o, now)
	}
}

// verdictAt is when an unknown outcome is judged: no answer can come any more, and the
// bearer is dead. One that may live for ever is not waited for: a 401 will tell. Where
// there is none, because the answer that brought the grant was cut short, none will.
func (l Link) verdictAt(now time.Time) (at time.Time, ever bool) {
	at = l.AnswersUntil
	switch {
	case l.Refused, l.Fingerprint == "":
	case l.ExpiresAt.IsZero():
		return at, at.After(now)
	case l.ExpiresAt.After(at):
		at = l.ExpiresAt
	}
	return at, true
}

// answersUntil is the moment after which no answer can come to any listed
// attempt, as far as this process can know, by the store's clock.
func (l Link) answersUntil(v View) time.Time {
	for _, a := range l.Attempts {
		if s := v.See(a.ID).Standing; s != Closed && s != Unsent {
			return v.StoreNow.Add(v.Rules.Deadline)
		}
	}
	return v.StoreNow
}

// MayTryLastChance says that a forbidden repeat has nothing left to lose: the
// next verdict would be ConsentRequired, and the profile allows one more try.
func (l Link) MayTryLastChance(next Link, r Rules) bool {
	if !r.LastChance || !l.Refreshable || next.Status != ConsentRequired || l.Status == ConsentRequired {
		return false
	}
	for _, a := range l.Attempts {
		if a.Last {
			return false
		}
	}
	return true
}

func difference(a, b []string) []string {
	have := make(map[string]bool, len(b))
	for _, s := range b {
		have[s] = true
	}
	var out []string
	for _, s := range a {
		if !have[s] {
			out = append(out, s)
		}
	}
	return out
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC() // a local zone can push the last representable year out of JSON's reach
	return &t
}
