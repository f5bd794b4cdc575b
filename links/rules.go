package links

import "time"

// Replay is what a provider does with a credential that is presented again
// after an answer was lost.
type Replay uint8

// The replay rules. The zero value is the careful one: unknown providers forbid.
const (
	// Forbidden: a second presentation may revoke the whole grant.
	Forbidden Replay = iota
	// Safe: the credential may be presented again at any time.
	Safe
	// Grace: again within Rules.Window of its first redemption.
	Grace
	// UntilSuccessorUsed: again while no bearer of the successor was handed out, at most Rules.Window.
	UntilSuccessorUsed
)

// Rules are the facts about a provider on which a link is decided.
type Rules struct {
	Replay     Replay
	Window     time.Duration
	LastChance bool
	// Deadline bounds one provider call; an answer may come until then.
	Deadline time.Duration
	// MinInterval is the shortest time between two refreshes of one link.
	MinInterval time.Duration
	// RenewAt is the fraction of the bearer's life after which it is renewed ahead; 0 means on demand.
	RenewAt float64
	// RenewMargin is how long before its expiry a bearer counts as expiring.
	RenewMargin time.Duration
	// KeepAlive is the age at which an unused refresh credential is renewed; 0: never.
	KeepAlive time.Duration
	// PromptBefore says how long before the first of a link's clocks ends its user is
	// asked to consent again, the longest first. None: not before it has ended.
	PromptBefore []time.Duration
	// RetryBase is the first pause after a presentation that did not succeed; it doubles up to RetryMax.
	RetryBase, RetryMax time.Duration
	// PreviousStillValid: a refresh leaves the previous bearer alive. SingleActive:
	// the provider lets one live at a time, whoever asked for it.
	PreviousStillValid, SingleActive bool
	// Grants is the chain of grants that are tried in turn; none: the refresh token alone.
	Grants []GrantType
	// FreshWindow is for how long a bearer counts as fresh: one that is refused within
	// it is suspicious, and several stop the link's refreshing. 0: not watched.
	FreshWindow time.Duration
}

// backoff is the pause before try number n (from 1), with up to a fifth of it
// taken off by jitter in [0, 1), so that links that failed together part.
func (r Rules) backoff(n int, jitter float64) time.Duration {
	d := r.RetryBase
	for i := 1; i < n && d < r.RetryMax; i++ {
		d *= 2
	}
	d = min(d, r.RetryMax)
	return d - time.Duration(float64(d)*jitter/5)
}

// renewal is when a bearer is renewed ahead: at RenewAt of its life, up to a
// tenth of that life earlier. Zero when it is not, or when its end is unknown.
func (r Rules) renewal(issued, expires time.Time, jitter float64) time.Time {
	if r.RenewAt <= 0 || issued.IsZero() || expires.IsZero() || !expires.After(issued) {
		return time.Time{}
	}
	life := float64(expires.Sub(issued))
	return issued.Add(time.Duration(life * (r.RenewAt - 0.1*jitter)))
}

// keptAlive is when an unused refresh credential is renewed: up to a tenth of its
// age earlier, and before seven tenths of its life are over, where that is known.
func (r Rules) keptAlive(issued, refreshExpires time.Time, jitter float64) time.Time {
	if r.KeepAlive <= 0 || issued.IsZero() {
		return time.Time{}
	}
	age := r.KeepAlive
	if life := refreshExpires.Sub(issued); !refreshExpires.IsZero() && life > 0 {
		age = min(age, life*7/10)
	}
	return issued.Add(age - time.Duration(float64(age)*jitter/10))
}

// expiring says whether a bearer is inside its renew margin.
func (r Rules) expiring(l Link, now time.Time) bool {
	if l.ExpiresAt.IsZero() {
		return true // nothing contradicts the reporter
	}
	margin := r.RenewMargin
	if at := r.renewal(l.IssuedAt, l.ExpiresAt, 0); !at.IsZero() {
		margin = max(margin, l.ExpiresAt.Sub(at))
	}
	return !now.Before(l.ExpiresAt.Add(-margin))
}
