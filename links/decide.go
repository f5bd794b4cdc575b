package links

import (
	"time"

	"github.com/regrant/regrant/events"
)

// Trigger is what was heard of a link: a report of a dead bearer, or a timer.
type Trigger struct {
	// Timer: the link's due time fired. The other fields are then unset.
	Timer bool
	// Generation or Fingerprint names the bearer that the reporter used.
	Generation  uint64
	Fingerprint string
	Reason      events.Reason
	// First is when a replayed report was stored first. Zero: it is no replay.
	First time.Time
}

// unauthorized says that the provider refused the bearer: a 401 was seen.
func (t Trigger) unauthorized() bool { return !t.Timer && t.Reason == events.ReasonUnauthorized }

// Leading says that a decision on this trigger must not be taken on a record that
// lags. An unknown fingerprint may be the newest bearer's, and a timer that finds
// nothing due is gone; a generation, though, is compared with one that only rises.
func (t Trigger) Leading() bool { return t.Timer || t.Generation == 0 }

// Seen keeps in the record that a report saw the current bearer refused. Whoever
// acks such a report with a write keeps it: it may be the last one.
func (l Link) Seen(t Trigger) Link {
	l.Refused = l.Refused || (t.unauthorized() && l.names(t))
	return l
}

// Standing is what a process knows by itself about an attempt. No other host's
// clock is part of it.
type Standing uint8

// The standings of an attempt.
const (
	// Watched: somebody's attempt that this process has not watched for a whole patience.
	Watched Standing = iota
	// Over: watched for a patience, under the lock that its owner stopped renewing. Its
	// answer may still come: the owner may be slow, or its answer spooled.
	Over
	// Closed: this process's own; its connection is closed and no answer can come.
	Closed
	// Unsent: this process's own; it never reached the socket.
	Unsent
)

// Sight is a Standing with its time: the rest of the patience for Watched, how
// long ago it was settled otherwise.
type Sight struct {
	Standing Standing
	Rest     time.Duration
	Since    time.Duration
}

// View is all that a decision needs beside the record.
type View struct {
	// Now is the judging clock. A timer's own stamp from the server counts if it is later:
	// a worker whose clock is behind must not send a fired timer round in circles.
	Now   time.Time
	Rules Rules
	// Jitter in [0, 1).
	Jitter float64
	// See tells the standing of a listed attempt.
	See func(attempt string) Sight
	// StoreNow is the store's own clock, asked for only when Decide says AskStore;
	// Asked with a zero StoreNow means that it did not answer. GiveUp and Mark judge
	// unknown outcomes by it.
	StoreNow time.Time
	Asked    bool
	// Held: so many grants of the app die at once that no verdict is taken on any.
	Held bool
}

// Decide says what to do after t was heard of the link (model: decide). Two
// processes that decide the same thing at the same time are kept apart by the
// compare-and-set of the write that follows, not here.
func (l Link) Decide(t Trigger, v View) Decision {
	if !t.Timer {
		if t.Generation > l.Generation {
			return Decision{Action: Future, Reason: "future_generation"}
		}
		if !l.names(t) {
			return Decision{Action: Finish, Reason: "stale"}
		}
		if reason, idle := l.heard(t); idle {
			return Decision{Action: Finish, Reason: reason}
		}
	}
	if d, settled := l.decideConsent(t, v); settled {
		return d
	}
	switch l.Status {
	case Active:
		return l.decideActive(t, v)
	case Refreshing:
		return l.decideRefreshing(t, v)
	case Uncertain:
		return l.decideUncertain(t, v)
	case Unverified:
		if t.Timer && l.IsDue(v.Now) {
			return Decision{Action: Check, Reason: "verify_again"}
		}
		return Decision{Action: Finish, Reason: "unverified"}
	case ConsentRequired:
		return l.decideAwaiting(t, v)
	default:
		return Decision{Action: Finish, Reason: string(l.Status)}
	}
}

// decideConsent is what an open exchange, a hold and a prompt have to say first. While the
// exchange is open nothing is begun and nothing is judged; a report waits, for the
// consent may fail and leave it to be done (model: ACTIVE && xopen).
func (l Link) decideConsent(t Trigger, v View) (d Decision, settled bool) {
	switch {
	case l.Exchange != nil && t.Timer && (l.Exchange.Again.IsZero() || !v.Now.Before(l.Exchange.Again)):
		return Decision{Action: Resume, Reason: "exchange_open"}, true
	case l.Exchange != nil && t.Timer:
		return Decision{Action: Finish, Reason: "exchange_put_off"}, true
	case l.Exchange != nil && (l.Status == Active || l.Status.open() || l.Awaiting != nil):
		if cur, ok := l.Current(); ok && v.See(cur.ID).Standing == Unsent {
			return Decision{Action: Clear, Reason: "not_sent"}, true
		}
		return Decision{Action: Wait, Reason: "exchange_open"}, true
	case t.Timer && l.HoldOver(v.Now):
		return Decision{Action: LetGo, Reason: ReasonHoldExpired}, true
	case t.Timer && l.Prompt != nil && !v.Now.Before(l.Prompt.At):
		return Decision{Action: Ask, Reason: string(l.Prompt.Clock)}, true
	default:
		return Decision{}, false
	}
}

// heard says why a replayed report of the current generation begins nothing (G8). One
// that is older than the bearer was a mistake when it was made; both times are the store's,
// for a worker's clock may be behind them. And a link that waits
// for something else than reports has heard this one: only a new one tells that
// somebody still needs it.
func (l Link) heard(t Trigger) (reason string, idle bool) {
	switch {
	case t.First.IsZero():
		return "", false
	case t.First.Before(l.CommittedAt):
		return "older_than_its_bearer", true
	default:
		return "heard_already", l.Status == Uncertain || l.Status == ConsentRequired || l.Awaiting != nil
	}
}

// Stale says that a report is about a bearer that is not the current one, and
// was not ahead of this record either.
func (l Link) Stale(t Trigger) bool {
	return !t.Timer && t.Generation <= l.Generation && !l.names(t)
}

// names says whether a report is about the current bearer. A fingerprint that
// is not the current one's is stale: it was replaced, or it never was ours.
func (l Link) names(t Trigger) bool {
	if t.Generation != 0 {
		return t.Generation == l.Generation
	}
	return t.Fingerprint != "" && t.Fingerprint == l.Fingerprint
}

func (l Link) decideActive(t Trigger, v View) Decision {
	if l.DueFor == DueRetry && !l.IsDue(v.Now) {
		return l.note(t, "retry_is_scheduled") // the timer carries the duty, and the provider's Retry-After
	}
	if reason, due := l.due(t, v); !due {
		return Decision{Action: Finish, Reason: reason}
	}
	grant, ok := l.next(v.Rules, v.Now)
	if !ok && l.Awaiting != nil && l.Seen(t).livesOn(v.Now) {
		return Decision{Action: Finish, Reason: "bearer_lives_on"}
	}
	if !ok {
		return l.exhausted(v.Now)
	}
	// More rest than the whole interval means that the clock which stamped IssuedAt ran ahead of this one.
	if rest := l.IssuedAt.Add(v.Rules.MinInterval).Sub(v.Now); rest > 0 && rest <= v.Rules.MinInterval {
		return Decision{Action: Wait, After: rest, Reason: "minimum_interval"}
	}
	if l.Seen(t).rejected(v.Rules, v.Now) {
		return Decision{Action: Reject, Reason: "token_rejected"}
	}
	return Decision{Action: Begin, Grant: grant, Reason: "due"}
}

// exhausted is the verdict on a link that nothing is left to present for.
func (l Link) exhausted(now time.Time) Decision {
	switch {
	case len(l.Spent) > 0:
		return Decision{Action: Condemn, Reason: ReasonGrantDead}
	case l.Refreshable && !l.RefreshExpiresAt.IsZero() && !now.Before(l.RefreshExpiresAt) && l.consentEndsBy(l.RefreshExpiresAt):
		return Decision{Action: Condemn, Reason: ReasonConsentExpired}
	case l.Refreshable && !l.RefreshExpiresAt.IsZero() && !now.Before(l.RefreshExpiresAt):
		return Decision{Action: Condemn, Reason: ReasonRefreshExpired}
	default:
		return Decision{Action: Condemn, Reason: ReasonNoRefreshToken}
	}
}

// due is step 4 of the order of checks (ARCHITECTURE.md): a 401 was seen, or the bearer is inside its margin.
func (l Link) due(t Trigger, v View) (reason string, due bool) {
	switch {
	case t.Timer && l.IsDue(v.Now), l.Refused, t.unauthorized():
		return "", true
	case t.Timer:
		return "not_due_yet", false
	case v.Rules.expiring(l, earliest(v.Now, t.First)): // a replay looked at the clock when it was made
		return "", true
	default:
		return "bearer_not_expiring", false
	}
}

// note settles a report whose duty a timer carries. That a 401 was seen is kept:
// the judgement of an unknown outcome may hang on it.
func (l Link) note(t Trigger, reason string) Decision {
	if t.unauthorized() && !l.Refused {
		return Decision{Action: Mark, Reason: reason}
	}
	return Decision{Action: Finish, Reason: reason}
}

func (l Link) decideRefreshing(t Trigger, v View) Decision {
	cur, ok := l.Current()
	if !ok {
		return Decision{Action: Clear, Reason: "no_attempt_listed"} // a record that no code of ours writes; Clear mends it
	}
	sight := v.See(cur.ID)
	switch sight.Standing {
	case Unsent:
		return Decision{Action: Clear, Reason: "not_sent"}
	case Watched:
		return Decision{Action: Wait, After: sight.Rest, Reason: "attempt_under_way"}
	}
	if kept, ok := l.KeptOf(KeptCandidate); ok && kept.Generation == l.Generation && kept.Consent == l.Consent {
		return Decision{Action: GiveUp, Reason: "answer_kept"} // better than another presentation
	}
	grant, asked := l.repeatable(v)
	switch {
	case !asked:
		return Decision{Action: AskStore}
	case grant == "":
		return v.judges(Decision{Action: GiveUp, Reason: "outcome_unknown"})
	case len(l.Attempts) > 1 && l.DueFor != DueRepeat:
		return Decision{Action: Postpone, Reason: "ambiguous_again"}
	case l.DueFor == DueRepeat && !l.IsDue(v.Now):
		return l.note(t, "repeat_is_scheduled")
	default:
		return Decision{Action: Repeat, Grant: grant, Reason: "replay_allowed"}
	}
}

// repeatable is what may be presented while the outcome of an earlier presentation
// is unknown: a grant that was not presented for this generation yet, or one that
// may be presented again. Only a refresh token can be spent by being presented.
func (l Link) repeatable(v View) (g GrantType, asked bool) {
	for _, g := range v.Rules.chain() {
		if !l.offers(g, v.Rules, v.Now) {
			continue
		}
		if g != GrantRefreshToken || !l.presents(g) {
			return g, true
		}
		if repeat, asked := l.mayRepeat(v); repeat || !asked {
			return g, asked
		}
	}
	return "", true
}

// mayRepeat is the provider's replay rule. A window is counted on the store's
// clock alone, from the generation's first intent, and a call that begins now
// must end inside it (model: may_repeat; W_GRACEWATCH shows why not by watching).
func (l Link) mayRepeat(v View) (repeat, asked bool) {
	switch v.Rules.Replay {
	case Safe:
		return true, true
	case Grace, UntilSuccessorUsed:
		if !v.Asked {
			return false, false
		}
		if v.StoreNow.IsZero() || l.FirstIntentAt.IsZero() {
			return false, true
		}
		return !v.StoreNow.Add(v.Rules.Deadline).After(l.FirstIntentAt.Add(v.Rules.Window)), true
	default:
		return false, true
	}
}

func (l Link) decideUncertain(t Trigger, v View) Decision {
	if cur, ok := l.Current(); ok && v.See(cur.ID).Standing == Unsent {
		return Decision{Action: Clear, Reason: "not_sent"}
	}
	due := t.Timer && l.IsDue(v.Now)
	if grant, ok := l.spare(v.Rules, v.Now); ok && l.Doomed == "" && (due || t.unauthorized()) {
		return Decision{Action: Repeat, Grant: grant, Reason: "another_grant"}
	}
	switch {
	case t.unauthorized() && !l.Refused:
		return v.judges(Decision{Action: Mark, Reason: "bearer_refused"})
	case !due:
		return Decision{Action: Finish, Reason: "uncertain"}
	case l.Doomed != "":
		return l.decideDoomed(v)
	default:
		return v.judges(Decision{Action: GiveUp, Reason: "outcome_unknown"})
	}
}

// judges lets a decision on an unknown outcome be taken with the store's clock alone.
// Until when answers are waited for is written by one worker and read by another, and
// neither knows how wrong the other's clock is: one that is ahead would ask the user
// while the answer is on its way, or let everybody wait for minutes.
func (v View) judges(d Decision) Decision {
	switch {
	case !v.Asked:
		return Decision{Action: AskStore}
	case v.StoreNow.IsZero():
		return Decision{Action: Wait, After: v.Rules.RetryBase, Reason: "store_clock_unknown"}
	default:
		return d
	}
}

// decideDoomed is what becomes of a verdict that was held when its time has come.
func (l Link) decideDoomed(v View) Decision {
	if v.Held {
		return Decision{Action: Defer, Reason: l.Doomed}
	}
	if grant, ok := l.doubted(v.Rules).next(v.Rules, v.Now); ok {
		return Decision{Action: Repeat, Grant: grant, Reason: "provider_may_have_recovered"}
	}
	return Decision{Action: GiveUp, Reason: l.Doomed}
}
