package lifetime

import (
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// notUsed: nobody uses the link for twice the life of its refresh token.
func (l *life) notUsed() {
	l.reconsent()
	l.said, l.presented = len(l.w.Names(l.a)), l.w.Refreshes(l.a.Provider)
	switch l.unused {
	case kept:
		l.isKept()
	case prompted:
		l.isPrompted()
	case session:
		l.isForgotten()
	}
	mustCall(l.T, l.service)
	l.wantServed()
}

// isKept: it is renewed in time, each time, and nobody hears more of it.
func (l *life) isKept() {
	began := time.Now()
	refreshLife, age := l.refreshLife(), l.profile().KeepAlive
	l.w.Pass(2 * refreshLife)
	last, all := began, l.shown()
	for _, seen := range all {
		if gap := seen.At.Sub(last); gap > age || gap > refreshLife*7/10 || seen.Outcome != providertest.OK {
			l.Errorf("%s: shown after %.1f days of %.0f: %s", l.name, days(gap), days(refreshLife), seen.Outcome)
		}
		last = seen.At
	}
	if n := len(all); n < 2 || n > int(2*refreshLife/(age*8/10))+1 {
		l.Errorf("%s: %d renewals in %.0f days", l.name, n, days(2*refreshLife))
	}
	l.wantSaid(repeated(events.NameTokenRotated, len(all))...)
}

// isPrompted: the end is known and cannot be put off by anybody but the user, who is
// asked a week and a day before, and once it has come. Nothing is presented.
func (l *life) isPrompted() {
	ends := time.Now().Add(l.refreshLife())
	l.w.Pass(2 * l.refreshLife())
	l.wantSaid(events.NameConsentExpiring, events.NameConsentExpiring, events.NameConsentRequired)
	l.wantReason(links.ReasonRefreshExpired)
	l.wantOutcomes()
	for i, before := range []time.Duration{7 * Day, Day, 0} {
		told := l.w.Told(l.a)[l.said+i]
		if want := ends.Add(-before); !near(told.At, want) {
			l.Errorf("%s: %s came %s late", l.name, told.Name, told.At.Sub(want))
		}
	}
	l.reconsent()
}

// isForgotten: with a password in reserve there is no end that the user has to be
// told of. Once the link is used again, the owner of the session is called for.
func (l *life) isForgotten() {
	l.w.Pass(2 * l.refreshLife())
	l.wantSaid()
	l.service.Call()
	l.wantSaid(events.NameCredentialsRequired)
	l.wantOutcomes()
	l.reconsent()
}

// refreshLife is how long an unused refresh token lives at the provider.
func (l *life) refreshLife() time.Duration {
	return max(l.system.Behaviour.RefreshTTL, l.system.Behaviour.RefreshIdle)
}

func repeated(name events.Name, n int) []events.Name {
	names := make([]events.Name, n)
	for i := range names {
		names[i] = name
	}
	return names
}

// No keeping alive gets past the end of a consent: five years at Intuit, seven days
// for a Google project in testing. The link is kept until then, the user is asked
// before and told then, and a consent begins anew.
func TestProfileLifeEndsWithItsConsent(t *testing.T) {
	usual := []time.Duration{7 * Day, Day}
	for name, c := range map[string]struct {
		system  string
		life    time.Duration
		prompts []time.Duration
		change  func(*System)
	}{
		"by the profile": {"intuit", 5 * 365 * Day, usual, func(s *System) { s.Behaviour.AbsoluteExpiryField = "" }},
		"by the answer":  {"intuit", 4 * 365 * Day, usual, func(s *System) { s.Behaviour.RefreshAbsolute = 4 * 365 * Day }},
		"by an operator": {"google", 7 * Day, usual[1:], func(s *System) { s.Profile.RefreshAbsolute, s.Behaviour.RefreshAbsolute = 7*Day, 7*Day }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live(t, Named(t, c.system, c.change, quick), promises[c.system], func(l *life) {
				ends := time.Now().Add(c.life)
				l.w.Pass(c.life + Day)
				over := l.w.Told(l.a, events.NameConsentRequired)
				prompts := l.w.Told(l.a, events.NameConsentExpiring)
				if len(over) != 1 || !near(over[0].At, ends) || len(prompts) != len(c.prompts) {
					l.Fatalf("said %q", l.w.Names(l.a))
				}
				l.wantReason(links.ReasonConsentExpired)
				for i, before := range c.prompts {
					if want := ends.Add(-before); !near(prompts[i].At, want) {
						l.Errorf("prompt %d came %s late", i, prompts[i].At.Sub(want))
					}
				}
				for _, seen := range l.shown() {
					if seen.Outcome != providertest.OK {
						l.Errorf("a renewal was %s", seen.Outcome)
					}
				}
				l.reconsent()
				if until := l.w.Link(l.a).ConsentExpiresAt; !near(until, time.Now().Add(c.life)) {
					l.Errorf("the next consent ends %s", until)
				}
			})
		})
	}
}

// A refresh token that ends when nobody expected it: nothing warned the user, one
// presentation finds it out in the provider's words for one that is too old, and the
// user is asked once.
func TestProfileLifeWithAnUnknownEnd(t *testing.T) {
	for _, name := range providers.BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live(t, Named(t, name, quick, unknownEnd), promises[name], func(l *life) {
				l.w.Pass(40 * Day)
				l.wantSaid(events.NameLinkCreated)
				for range 10 {
					l.service.Call()
					l.w.Pass(Day)
				}
				l.wantOutcomes(providertest.Dead)
				asked := events.NameConsentRequired
				if l.unused == session {
					asked = events.NameCredentialsRequired
				}
				l.wantSaid(events.NameLinkCreated, asked)
				l.reconsent()
				mustCall(l.T, l.service)
				l.audit()
			})
		})
	}
}

// unknownEnd lets refresh tokens end after 30 days, of which nobody knows.
func unknownEnd(s *System) {
	s.Behaviour.RefreshTTL, s.Behaviour.RefreshExpiryField = 30*Day, ""
	s.Profile.RefreshIdle, s.Profile.KeepAlive = 0, 0
}
