package links_test

import (
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// chained is rules with a chain of grants.
func chained(chain ...links.GrantType) links.Rules {
	r := rules
	r.Grants = chain
	return r
}

func withKey(l links.Link) links.Link {
	l.APIKey = true
	return l
}

// begin follows a decision to present something.
func begin(t *testing.T, l links.Link, id string, trigger links.Trigger, v links.View) links.Link {
	t.Helper()
	d := l.Decide(trigger, v)
	if d.Action != links.Begin && d.Action != links.Repeat {
		t.Fatalf("decided %v (%s)", d.Action, d.Reason)
	}
	return l.Begin(links.Attempt{ID: id, At: v.Now, Grant: d.Grant}, trigger.Reason == events.ReasonUnauthorized, v.Rules)
}

func TestTheFirstGrantOfTheChainThatIsLeftIsPresented(t *testing.T) {
	past := now.Add(-time.Minute)
	for name, c := range map[string]struct {
		change func(*links.Link)
		want   links.GrantType
	}{
		"the refresh token": {func(*links.Link) {}, links.GrantRefreshToken},
		"it has expired":    {func(l *links.Link) { l.RefreshExpiresAt = past }, links.GrantAPIKey},
		"it is dead":        {func(l *links.Link) { l.Spent = []links.GrantType{links.GrantRefreshToken} }, links.GrantAPIKey},
		"there is none":     {func(l *links.Link) { l.Refreshable = false }, links.GrantAPIKey},
		"nor a key":         {func(l *links.Link) { l.Refreshable, l.APIKey = false, false }, links.GrantPassword},
		"both are dead":     {func(l *links.Link) { l.Spent = []links.GrantType{links.GrantAPIKey, links.GrantRefreshToken} }, links.GrantPassword},
		"nobody answered, hours ago": {func(l *links.Link) {
			l.Refreshable, l.APIKey, l.Awaiting = false, false, &links.Awaiting{AskedAt: now.Add(-time.Hour)}
		}, links.GrantPassword},
		"it was asked by a fast clock": {func(l *links.Link) {
			l.Refreshable, l.APIKey, l.Awaiting = false, false, &links.Awaiting{AskedAt: now.Add(time.Hour)}
		}, links.GrantPassword},
	} {
		l := withKey(active())
		c.change(&l)
		d := l.Decide(seen401, view(chained(links.GrantRefreshToken, links.GrantAPIKey, links.GrantPassword), links.Over))
		if d.Action != links.Begin || d.Grant != c.want {
			t.Errorf("%s: %v by %q (%s), want %q", name, d.Action, d.Grant, d.Reason, c.want)
		}
	}
}

// R20: refresh token, API key, reconsent.
func TestADeadGrantFallsBackToTheNextAndThenToTheUser(t *testing.T) {
	v := view(chained(links.GrantRefreshToken, links.GrantAPIKey), links.Closed)
	l := begin(t, withKey(active()), "a", seen401, v).Dead("a", links.ReasonGrantDead, origin, now, v.Rules)
	if l.Status != links.Active || len(l.Attempts) != 0 || len(l.Outbox) != 0 {
		t.Fatalf("after the refresh token died the link is %s with %v and says %d things", l.Status, l.Attempts, len(l.Outbox))
	}
	l = begin(t, l, "b", timer, v)
	if l.Attempts[0].By() != links.GrantAPIKey {
		t.Fatalf("then %q is presented", l.Attempts[0].By())
	}
	good := l.Commit(links.Claim{Attempt: "b", Consent: 2, Generation: 5}, renewedGrant(), events.CauseRefresh, origin, now, v.Rules, 0.5)
	if len(good.Spent) != 0 || good.Decide(links.Trigger{Generation: 6, Reason: events.ReasonUnauthorized}, later(v, time.Hour)).Grant != links.GrantRefreshToken {
		t.Errorf("with a new refresh token, %v is spent", good.Spent)
	}
	bad := l.Dead("b", links.ReasonGrantDead, origin, now, v.Rules)
	if e := event[events.ConsentRequired](t, bad, 0); bad.Status != links.ConsentRequired || e.Reason != links.ReasonGrantDead {
		t.Errorf("at the end of the chain the link is %s (%s)", bad.Status, e.Reason)
	}
}

func later(v links.View, d time.Duration) links.View {
	v.Now, v.StoreNow = v.Now.Add(d), v.StoreNow.Add(d)
	return v
}

func renewedGrant() links.Grant {
	g := grantFor(6, now)
	g.Renewed, g.APIKey = true, true
	return g
}

// An answer by API key that brings no refresh token leaves the dead one dead.
func TestADeadRefreshTokenStaysDeadBesideAGoodKey(t *testing.T) {
	v := view(chained(links.GrantRefreshToken, links.GrantAPIKey), links.Closed)
	l := begin(t, withKey(active()), "a", seen401, v).Dead("a", links.ReasonGrantDead, origin, now, v.Rules)
	l = begin(t, l, "b", timer, v)
	g := grantFor(6, now)
	g.APIKey = true
	l = l.Commit(links.Claim{Attempt: "b", Consent: 2, Generation: 5}, g, events.CauseRefresh, origin, now, v.Rules, 0.5)
	if d := l.Decide(links.Trigger{Generation: 6, Reason: events.ReasonUnauthorized}, later(v, time.Hour)); d.Grant != links.GrantAPIKey {
		t.Errorf("the next to be presented is %q", d.Grant)
	}
}

// A refresh token whose answer was lost is not presented again where that is
// forbidden; the key beside it harms nobody.
func TestALostAnswerFallsBackWithoutAnotherPresentation(t *testing.T) {
	v := view(chained(links.GrantRefreshToken, links.GrantAPIKey), links.Over)
	l := begin(t, begin(t, withKey(active()), "a", seen401, v), "b", seen401, v)
	if !slices.ContainsFunc(l.Attempts, func(a links.Attempt) bool { return a.ID == "a" }) || l.Attempts[1].By() != links.GrantAPIKey {
		t.Fatalf("listed are %+v", l.Attempts)
	}
	late := l.Commit(links.Claim{Attempt: "a", Consent: 2, Generation: 5}, renewedGrant(), events.CauseRefresh, origin, now, v.Rules, 0.5)
	if late.Generation != 6 {
		t.Error("the late answer to the refresh token was lost")
	}
	alone := begin(t, active(), "a", seen401, v)
	if d := alone.Decide(seen401, v); d.Action != links.GiveUp {
		t.Errorf("without a key: %v", d.Action)
	}
}

// R18: nobody answers for the session; it is said once, and the next report asks again.
func TestCredentialsAreCalledForOnce(t *testing.T) {
	v := view(chained(links.GrantPassword), links.Closed)
	l := active().Seen(seen401).CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules)
	if e := event[events.CredentialsRequired](t, l, 0); l.Status != links.ConsentRequired || e.Reason != links.CredentialsNoAnswer {
		t.Fatalf("the link is %s, told %q", l.Status, e.Reason)
	}
	if d := l.Decide(seen401, v); d.Action != links.Finish {
		t.Errorf("the next report of the storm: %v", d.Action)
	}
	soon := later(v, time.Minute)
	if d := l.Decide(timer, soon); d.Action != links.Finish {
		t.Errorf("a timer asks: %v", d.Action)
	}
	again := l.CredentialsMissing("", links.CredentialsNoAnswer, origin, soon.Now, v.Rules)
	if len(again.Outbox) != 1 {
		t.Errorf("asked again in vain, %d events", len(again.Outbox))
	}
	wrong := begin(t, l, "w", seen401, soon).Dead("w", links.ReasonGrantDead, origin, soon.Now, v.Rules)
	if len(wrong.Outbox) != 1 || wrong.Status != links.ConsentRequired {
		t.Errorf("a wrong password: %s, %d events", wrong.Status, len(wrong.Outbox))
	}
	back := begin(t, l, "b", seen401, soon).Commit(links.Claim{Attempt: "b", Consent: 2, Generation: 5}, grantFor(6, soon.Now), events.CauseRefresh, origin, soon.Now, v.Rules, 0.5)
	if back.Awaiting != nil || back.Status != links.Active {
		t.Errorf("with the session back: %s, awaiting %+v", back.Status, back.Awaiting)
	}
	event[events.LinkRecovered](t, back, 2)
}

// Asked ahead of need, a session that is gone costs nobody anything yet.
func TestALivingBearerIsLeftItsLifeWhereNobodyAnswers(t *testing.T) {
	v := view(chained(links.GrantPassword), links.Closed)
	l := active().CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules)
	if l.Status != links.Active || !l.Due.Equal(l.ExpiresAt) || len(l.Outbox) != 0 {
		t.Errorf("the link is %s, due %v, and says %d things", l.Status, l.Due, len(l.Outbox))
	}
	if d := l.Decide(timer, later(v, l.ExpiresAt.Sub(now))); d.Action != links.Begin || d.Grant != links.GrantPassword {
		t.Errorf("at its end: %v by %q", d.Action, d.Grant)
	}
}

// A clock that another grant outlives is no reason to bother the user.
func TestNobodyIsPromptedForWhatAnotherGrantRenews(t *testing.T) {
	g := renewedGrant()
	g.RefreshExpiresAt = now.Add(7 * 24 * time.Hour)
	claim := links.Claim{Attempt: "a", Consent: 2, Generation: 5}
	alone := refreshing("a").Commit(claim, g, events.CauseRefresh, origin, now, rules, 0.5)
	if alone.Prompt == nil {
		t.Fatal("no prompt at the end of the refresh token")
	}
	chain := withKey(refreshing("a")).Commit(claim, g, events.CauseRefresh, origin, now, chained(links.GrantRefreshToken, links.GrantAPIKey), 0.5)
	if chain.Prompt != nil {
		t.Errorf("prompted %+v", chain.Prompt)
	}
}
