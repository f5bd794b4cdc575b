package links

import (
	"time"

	"github.com/regrant/regrant/events"
)

// Prompt is the next time at which something is said about the end of a link: that
// it is near, or that it has come.
type Prompt struct {
	Clock events.Clock `json:"clock"`
	Ends  time.Time    `json:"ends"`
	// At is when: so long before Ends as the rules say, or Ends itself.
	At time.Time `json:"at"`
}

// ends is the first of the link's clocks to end, of those that only its user can
// wind up: what the user agreed to, a refresh credential that nobody keeps alive,
// and the bearer of a link that cannot be refreshed. One is never taken for another.
func (l Link) ends(r Rules) (clock events.Clock, at time.Time) {
	consider := func(c events.Clock, t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			clock, at = c, t
		}
	}
	consider(events.ClockConsent, l.ConsentExpiresAt)
	switch {
	case l.unattended(r, l.IssuedAt): // another grant takes over
	case !l.Refreshable:
		consider(events.ClockAccess, l.ExpiresAt)
	case r.KeepAlive <= 0:
		consider(events.ClockRefresh, l.RefreshExpiresAt)
	}
	return clock, at
}

// consentEndsBy says whether it is the consent that ends with what ends at a time. Answers
// tell their times in whole seconds.
func (l Link) consentEndsBy(at time.Time) bool {
	return l.Prompt != nil && l.Prompt.Clock == events.ClockConsent && l.Prompt.Ends.Before(at.Add(time.Second))
}

// expect sets the prompts of a new generation. A clock that goes on from the
// generation before keeps the prompts that were sent for it: nobody is asked twice. A
// prompt whose time lies before the generation itself is not made up for.
func (l Link) expect(r Rules) Link {
	clock, ends := l.ends(r)
	switch {
	case ends.IsZero():
		l.Prompt = nil
	case l.Prompt != nil && l.Prompt.Clock == clock && l.Prompt.Ends.Equal(ends):
	default:
		l.Prompt = &Prompt{Clock: clock, Ends: ends, At: next(ends, l.IssuedAt, r)}
	}
	return l
}

// next is the first time after one at which something is to be said of an end.
func next(ends, after time.Time, r Rules) time.Time {
	at := ends
	for _, before := range r.PromptBefore {
		if t := ends.Add(-before); t.After(after) && t.Before(at) {
			at = t
		}
	}
	return at
}

// Prompted says that the end is near, or that it has come: then only the user can
// help. A refresh credential that has ended leaves the bearer what is left of its
// life.
func (l Link) Prompted(r Rules, o Origin, now time.Time) Link {
	p := *l.Prompt
	if now.Before(p.Ends) {
		l.Prompt = &Prompt{Clock: p.Clock, Ends: p.Ends, At: next(p.Ends, now, r)}
		return l.rearm().remember(now, changePrompt, "").announce(o, now, events.ConsentExpiring{
			Address: l.Address, Nickname: l.Nickname, Generation: l.Generation, Consent: l.Consent, Clock: p.Clock, EndsAt: p.Ends.UTC(),
		})
	}
	if p.Clock == events.ClockRefresh && now.Before(l.ExpiresAt) && !l.Refused {
		l.Prompt = &Prompt{Clock: p.Clock, Ends: p.Ends, At: l.ExpiresAt}
		return l.rearm()
	}
	l.Prompt = nil
	if l.Status != Active {
		return l.rearm() // what is open there decides
	}
	return l.Condemn(endOf[p.Clock], o, now)
}

// endOf are the reasons of consent-required at the end of a clock.
var endOf = map[events.Clock]string{
	events.ClockConsent: ReasonConsentExpired, events.ClockRefresh: ReasonRefreshExpired, events.ClockAccess: ReasonNoRefreshToken,
}
