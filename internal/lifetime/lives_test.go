package lifetime

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/regrant/regrant/apps"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links/memstore"
	"github.com/regrant/regrant/providers"
	"github.com/regrant/regrant/providers/providertest"
)

// unused is what becomes of a link that nobody uses.
type unused string

const (
	kept     unused = "kept"     // renewed before its refresh token ends
	prompted unused = "prompted" // its user is asked before it ends, and at its end
	session  unused = "session"  // its end is no matter while somebody knows the password
)

// promise is what a profile has to make of its provider. It follows from what the
// provider publishes; what it leaves open counts as forbidden.
type promise struct {
	// lost is how often a refresh token is shown whose answer was cut off.
	lost int
	// outage: a link outlives an hour without answers that began with a lost one.
	outage bool
	unused unused
	// revokes: a logout ends the grant at the provider too (RFC 7009).
	revokes bool
	// known is what an operator knows beside the profile.
	known func(*System)
}

// thirty days are what operators tell these tests where a vendor leaves the life of
// an unused refresh token to whoever runs the server.
var thirty = idle(30*Day, 0)

var promises = map[string]promise{
	// Static by the guide, refused by the test page: unknown. Each bank has its own
	// lives; revoked at the bank's site.
	"akoya": {lost: 1, unused: prompted, known: thirty},
	// The old refresh token can be re-used until it expires, after 10 days.
	"astra": {lost: 2, outage: true, unused: kept},
	// No leeway until a tenant sets one; lives are the tenant's too.
	"auth0": {lost: 1, unused: prompted, revokes: true, known: thirty},
	// reuseInterval and lives are the server's; it revokes nothing on request.
	"dex": {lost: 1, unused: prompted, known: thirty},
	// The old one is not revoked by the new; 90 days. There is no revocation endpoint.
	"entra": {lost: 2, outage: true, unused: kept},
	// Nothing is known but what an answer says: here, 30 days.
	"generic": {lost: 1, unused: prompted, revokes: true},
	// The old tokens stop at once; 6 months. Revocation is a method of its API.
	"github-apps": {lost: 1, unused: kept},
	// One refresh token, shown as often as one likes; 6 months unused.
	"google": {lost: 2, outage: true, unused: kept, revokes: true},
	// No grace is documented; 100 days. Revocation takes JSON.
	"intuit": {lost: 1, unused: kept},
	// Nothing is stated of the refresh token.
	"nextidentity": {lost: 1, unused: prompted, known: thirty},
	// A leeway of 30 s, no longer; 7 days.
	"okta": {lost: 2, unused: kept, revokes: true},
	// "Consider rotating"; about 7 days; revoked on the server.
	"sdk": {lost: 1, unused: kept, revokes: true},
	// Until the successor is used, for 30 days; 90 days.
	"shopify": {lost: 2, outage: true, unused: kept},
	// No grace is documented, and no life. Revocation is a method of its API.
	"slack": {lost: 1, unused: prompted, known: thirty},
	// Nothing is stated of a second presentation; the password is there for the rest.
	"wso2": {lost: 1, unused: session, revokes: true, known: thirty},
	// 30 minutes to ask again, no longer; 60 days.
	"xero": {lost: 2, unused: kept, revokes: true},
}

// A full life of a link by each built-in profile, at a provider with that profile's
// own semantics: whatever happens to it, we never show a token that was used where
// that is not allowed, and the user is bothered once and only where nothing else
// helps.
func TestProfileLife(t *testing.T) {
	for _, name := range providers.BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok := promises[name]
			if !ok {
				t.Fatal("nobody says what this profile promises")
			}
			if p.known == nil {
				p.known = func(*System) {}
			}
			live(t, Named(t, name, p.known, quick), p, func(l *life) {
				l.step("expiry", l.expires)
				l.step("429", l.throttled)
				l.step("wrong secret", l.wrongSecret)
				l.step("lost answer", l.answerLost)
				l.step("outage", l.outOfReach)
				l.step("dead grant", l.revokedAtSite)
				l.step("unused", l.notUsed)
				l.step("logout", l.loggedOut)
				l.audit()
			})
		})
	}
}

// life is that of one link.
type life struct {
	*testing.T
	promise
	system  System
	w       *World
	a       events.Address
	anna    *User
	service *Service

	name      string // of the step
	presented int    // refresh tokens before it
	said      int    // events before it
}

// live makes a world of one system, with one worker, whose registration is watched,
// and one link.
func live(t *testing.T, s System, p promise, lived func(l *life)) {
	t.Helper()
	name := s.Profile.Base
	synctest.Test(t, func(t *testing.T) {
		keeper, err := apps.Start(t.Context(), apps.Config{Apps: []string{name}, Worker: "worker-1", Store: memstore.NewApps(time.Now)})
		if err != nil {
			t.Fatal(err)
		}
		defer keeper.Stop()
		w := New(t, Options{Systems: map[string]System{name: s}, Configure: func(c *handlers.Config) { c.Apps = keeper }})
		defer w.Close()
		if !p.revokes {
			w.Reprofile(name, func(p *providers.Profile) { p.RevocationURL = "" })
		}
		w.Start(0)
		anna := w.User("anna")
		a := anna.Consent(Trip{Provider: name, As: "anna-1"})
		l := &life{T: t, promise: p, system: s, w: w, a: a, anna: anna, service: w.Service(a), name: "link"}
		l.wantSaid(events.NameLinkCreated)
		l.wantServed()
		lived(l)
	})
}

// step is one chapter. It begins and ends with a bearer that works, but for the last.
func (l *life) step(name string, do func()) {
	l.Helper()
	l.name, l.presented, l.said = name, l.w.Refreshes(l.a.Provider), len(l.w.Names(l.a))
	do()
	synctest.Wait()
	if n := len(l.w.DeadLetters()); n > 0 {
		l.Fatalf("%s: %d dead letters, the first: %+v", name, n, l.w.DeadLetters()[0])
	}
	if n := l.w.Unsettled(); n > 0 {
		l.Errorf("%s: %d messages are not settled", name, n)
	}
}

// shown are the presentations of refresh tokens in the current step.
func (l *life) shown() []providertest.Presentation {
	return l.w.Ledger(providertest.Filter{Provider: l.a.Provider, Kind: providertest.KindRefresh})[l.presented:]
}

// reconsent brings the link back, by the same login.
func (l *life) reconsent() {
	l.Helper()
	consent := l.w.Link(l.a).Consent
	l.anna.Consent(Trip{Provider: l.a.Provider, Link: l.a, As: "anna-1"})
	if is := l.w.Link(l.a).Consent; is != consent+1 {
		l.Errorf("%s: the reconsent left consent %d", l.name, is)
	}
	l.wantServed()
}

// family is the simulator's name of the grant that the link has now.
func (l *life) family() string {
	l.Helper()
	tokens, err := l.w.Tokens(l.w.Link(l.a))
	if err != nil {
		l.Fatal(err)
	}
	family, ok := l.w.Sim.FamilyOf(tokens.Refresh.Reveal())
	if !ok {
		l.Fatalf("%s: the provider does not know the link's refresh token", l.name)
	}
	return family
}

// bearer is what is served now.
func (l *life) bearer() Served {
	l.Helper()
	got, err := l.w.Token(l.a, 1, 0)
	if err != nil {
		l.Fatalf("%s: nothing is served: %v", l.name, err)
	}
	return got
}
