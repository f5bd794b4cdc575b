package lifetime

import (
	"slices"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// expires: one refresh for one expiry, and the new bearer is served.
func (l *life) expires() {
	old := l.bearer()
	expire(l.w, l.a)
	mustCall(l.T, l.service)
	l.wantOutcomes(providertest.OK)
	l.wantSaid(events.NameTokenRotated)
	l.wantServed()
	if is := l.bearer(); is.Bearer == old.Bearer || is.Generation != old.Generation+1 {
		l.Errorf("%s: generation %d follows %d", l.name, is.Generation, old.Generation)
	}
}

// throttled: nobody asks before the Retry-After is over, and then one does. The token
// was not lost by it.
func (l *life) throttled() {
	expire(l.w, l.a)
	over := time.Now().Add(10 * time.Minute)
	l.w.Sim.Throttle(l.a.Provider, over)
	for time.Now().Before(over) {
		if l.service.Call() {
			l.Errorf("%s: the resource was reached", l.name)
		}
	}
	l.w.Pass(2 * time.Minute)
	mustCall(l.T, l.service)
	l.wantOutcomes(providertest.Throttled, providertest.OK)
	if at := l.shown()[1].At; at.Before(over) {
		l.Errorf("%s: asked again %s too early", l.name, over.Sub(at))
	}
	l.wantSaid(events.NameTokenRotated)
	l.wantServed()
}

// wrongSecret: an hour in which the provider does not know our registration is said
// once and condemns nobody; once it is put right, nothing else has to be done.
func (l *life) wrongSecret() {
	expire(l.w, l.a)
	secret := l.w.Sim.Endpoints(l.a.Provider).ClientSecret
	l.w.Sim.SetSecrets(l.a.Provider, "another-secret-that-is-long-enough")
	for range 12 {
		l.service.Call()
		l.w.Pass(4 * time.Minute)
		if is := l.w.Link(l.a).Status; is != links.Active {
			l.Fatalf("%s: the link is %s", l.name, is)
		}
	}
	l.wantSaid(events.NameAppSuspended)
	tries := l.outcomes()
	if n := len(tries); n > 61 || slices.ContainsFunc(tries, func(o providertest.Outcome) bool { return o != providertest.Client }) {
		l.Errorf("%s: in an hour %d presentations: %q", l.name, n, tries)
	}
	l.w.Sim.SetSecrets(l.a.Provider, secret)
	l.w.Pass(7 * time.Minute)
	mustCall(l.T, l.service)
	l.wantSaid(events.NameAppSuspended, events.NameTokenRotated, events.NameAppResumed)
	l.wantServed()
}

// answerLost: the answer is cut off after the token was consumed. The profile's rule
// says whether it is asked for again; if not, the user is asked, once.
func (l *life) answerLost() {
	expire(l.w, l.a)
	l.w.Sim.Script(l.a.Provider, providertest.Fault{When: providertest.After, Kind: providertest.Truncate})
	reached := l.service.Call()
	l.w.Pass(Day)
	if n := len(l.shown()); n != l.lost || reached != (l.lost > 1) {
		l.Errorf("%s: shown %d times, want %d; the service was served: %t", l.name, n, l.lost, reached)
	}
	if l.lost > 1 {
		l.wantSaid(events.NameTokenRotated)
	} else {
		l.wantUserCalled()
		l.reconsent()
	}
	mustCall(l.T, l.service)
}

// wantUserCalled: nobody knows what became of the credential, and only the user can
// help, or the owner of the user's session where the chain has a password.
func (l *life) wantUserCalled() {
	if l.unused == session {
		l.wantSaid(events.NameCredentialsRequired)
		return
	}
	l.wantSaid(events.NameConsentRequired)
	l.wantReason(links.ReasonOutcomeUnknown)
}

// outOfReach: after the lost answer the provider answers nobody for more than an
// hour. Who may ask again for so long does, and nobody asks once a window is over.
func (l *life) outOfReach() {
	if l.lost == 1 {
		return // the lost answer has ended it already
	}
	expire(l.w, l.a)
	family := l.family()
	faults := []providertest.Fault{{When: providertest.After, Kind: providertest.Truncate, Family: family}}
	for range 20 {
		faults = append(faults, providertest.Fault{Kind: providertest.CloseNoReply, Family: family})
	}
	l.w.Sim.Script(l.a.Provider, faults...)
	for range 12 {
		l.service.Call()
		l.w.Pass(9 * time.Minute)
	}
	l.wantWithinWindow()
	if l.outage {
		l.wantSaid(events.NameTokenRotated)
	} else {
		l.wantUserCalled()
		l.reconsent()
	}
	mustCall(l.T, l.service)
	l.wantServed()
}

// revokedAtSite: the user withdraws at the provider's own site. One presentation
// finds it out, in the provider's own words; it is said once, and then there is
// silence until the user consents again.
func (l *life) revokedAtSite() {
	mustCall(l.T, l.service)
	before := len(l.shown())
	if n := l.w.Sim.RevokeAtSite(l.a.Provider, "anna-1"); n == 0 {
		l.Fatalf("%s: there was no grant to revoke", l.name)
	}
	for range 10 {
		if l.service.Call() {
			l.Errorf("%s: the resource was reached", l.name)
		}
		l.w.Pass(Day)
	}
	if died := l.outcomes()[before:]; !slices.Equal(died, []providertest.Outcome{providertest.Dead}) {
		l.Errorf("%s: the dead token was shown: %q", l.name, died)
	}
	said := l.w.Names(l.a)
	if l.unused == session {
		l.wantLast(said, events.NameCredentialsRequired)
	} else {
		l.wantLast(said, events.NameConsentRequired)
		l.wantReason(links.ReasonGrantDead)
	}
	l.reconsent()
	mustCall(l.T, l.service)
}

// loggedOut: the grant is ended where that can be asked for, the link is over, and
// later reports do nothing.
func (l *life) loggedOut() {
	mustCall(l.T, l.service)
	before, family := len(l.shown()), l.family()
	for range 2 {
		l.w.Report(events.LogoutRequested{Address: l.a, Scope: events.LogoutLink})
		l.w.Pass(time.Minute)
	}
	state, _ := l.w.Sim.Family(family)
	if said := Newest[events.LinkRevoked](l.w, l.a); said.AtProvider != l.revokes || state.Killed != l.revokes {
		l.Errorf("%s: said to be revoked at the provider: %t, and is: %t", l.name, said.AtProvider, state.Killed)
	}
	generation := l.w.Link(l.a).Generation
	for range 10 {
		l.service.Call()
		l.w.Report(events.TokenExpired{Address: l.a, Generation: generation, Reason: events.ReasonUnauthorized})
		l.w.Pass(Day)
	}
	if n := len(l.shown()); n != before {
		l.Errorf("%s: %d presentations after it", l.name, n-before)
	}
	if n := len(l.w.Told(l.a, events.NameLinkRevoked)); n != 1 || l.w.Link(l.a).Status != links.Revoked {
		l.Errorf("%s: said %d times, and the link is %s", l.name, n, l.w.Link(l.a).Status)
	}
	l.wantLast(l.w.Names(l.a), events.NameLinkRevoked)
}

// profile is what the workers believe of the provider.
func (l *life) profile() providers.Profile { return l.w.Profile(l.a.Provider) }
