package links_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
)

// Each test here is a schedule that broke a chain of grants once a seed had found it.

var (
	refreshThenKey      = chained(links.GrantRefreshToken, links.GrantAPIKey)
	refreshThenPassword = chained(links.GrantRefreshToken, links.GrantPassword)
	claimB              = links.Claim{Attempt: "b", Consent: 2, Generation: 5}
)

// bare is an answer without a refresh token: the link keeps the one that it had.
func bare(generation uint64) links.Grant {
	g := grantFor(generation, now)
	g.APIKey = true
	return g
}

func commit(l links.Link, c links.Claim, g links.Grant, r links.Rules) links.Link {
	return l.Commit(c, g, events.CauseRefresh, origin, now, r, 0.5)
}

// wantNext: what a 401 for the current bearer has presented.
func wantNext(t *testing.T, l links.Link, v links.View, want links.GrantType) {
	t.Helper()
	d := l.Decide(links.Trigger{Generation: l.Generation, Reason: events.ReasonUnauthorized}, v)
	if (d.Action != links.Begin && d.Action != links.Repeat) || d.Grant != want {
		t.Errorf("decided %v by %q (%s), want %q", d.Action, d.Grant, d.Reason, want)
	}
}

// G1: the answer to the refresh token was lost, and the key's answer brings no other.
// The token goes along, and may be spent.
func TestALostRefreshTokenIsNotPresentedBesideAnotherGrantsAnswer(t *testing.T) {
	for replay, want := range map[links.Replay]links.GrantType{
		links.Forbidden: links.GrantAPIKey, links.Grace: links.GrantAPIKey, links.UntilSuccessorUsed: links.GrantAPIKey, links.Safe: links.GrantRefreshToken,
	} {
		v := view(refreshThenKey, links.Over)
		v.Rules.Replay, v.Rules.MinInterval = replay, 0
		l := begin(t, withKey(active()), "a", seen401, v).Begin(links.Attempt{ID: "b", At: now, Grant: links.GrantAPIKey}, true, v.Rules)
		l = commit(l, claimB, bare(6), v.Rules)
		wantNext(t, l, later(v, time.Hour), want)
		l = commit(l.Begin(links.Attempt{ID: "c", At: now, Grant: links.GrantAPIKey}, true, v.Rules), links.Claim{Attempt: "c", Consent: 2, Generation: 6}, renewedGrant(), v.Rules)
		wantNext(t, l, later(v, time.Hour), links.GrantRefreshToken)
	}
}

// The same by a candidate that another presentation left, and by a consent.
func TestADeadRefreshTokenIsNotPresentedBesideACandidate(t *testing.T) {
	l := withKey(refreshing("a")).Keep(links.Claim{Attempt: "x", Consent: 2, Generation: 4}, links.KeptCandidate, nil, now)
	kept, _ := l.KeptOf(links.KeptCandidate)
	l = l.Promote(kept, bare(6), origin, now, refreshThenKey, 0.5)
	wantNext(t, l, later(view(refreshThenKey, links.Closed), time.Hour), links.GrantAPIKey)
}

func TestALostRefreshTokenIsNotPresentedBesideAConsent(t *testing.T) {
	l := withKey(refreshing("a")).Reconsent(links.Completed{Flow: "f", ID: "f", Order: now, Grant: bare(6)}, origin, now, refreshThenKey, 0.5)
	wantNext(t, l, later(view(refreshThenKey, links.Closed), time.Hour), links.GrantAPIKey)
}

// A store that was restored may hold a refresh token that was presented since.
func TestARefreshTokenOfARestoredRecordIsNotPresentedBesideAKey(t *testing.T) {
	v := view(refreshThenKey, links.Over)
	l := withKey(active()).Doubt(5, 9, []byte("sealed-5"), now, v.Rules)
	l = begin(t, l, "b", seen401, v)
	if by := l.Attempts[0].By(); by != links.GrantAPIKey {
		t.Fatalf("presented is the %s", by)
	}
	wantNext(t, commit(l, claimB, bare(6), v.Rules), later(v, time.Hour), links.GrantAPIKey)
}

// G1: so many presentations of the key are lost that the list of attempts is full.
func TestThatARefreshTokenWasPresentedIsNeverForgotten(t *testing.T) {
	v := view(refreshThenKey, links.Closed)
	l := begin(t, withKey(active()), "a", seen401, v)
	for n := range 50 {
		v.Now = v.Now.Add(time.Hour)
		if d := l.Decide(timer, v); d.Action == links.Postpone {
			l = l.Postpone(v.Now, v.Rules, v.Jitter)
			v.Now = l.Due
		}
		l = begin(t, l, fmt.Sprint("key-", n), timer, v)
		if cur, _ := l.Current(); cur.By() != links.GrantAPIKey {
			t.Fatalf("the %s is presented again", cur.By())
		}
	}
	if !l.Lists("a") {
		t.Error("a late answer to the refresh token has lost its place")
	}
}

// R19: one refused bearer is one, however often its refresh is put off.
func TestARefusedBearerCountsOnce(t *testing.T) {
	r := guarded(false)
	l := active()
	l.IssuedAt = now.Add(-time.Minute)
	v := view(r, links.Closed)
	for n := range 8 {
		id := fmt.Sprint(n)
		l, _ = begin(t, l, id, seen401, v).Clear(id, v.Now, time.Time{}, r, 0)
		v.Now = l.Due
	}
	l = begin(t, l, "ok", seen401, v)
	l = commit(l, links.Claim{Attempt: "ok", Consent: 2, Generation: 5}, grantFor(6, v.Now), r)
	if n := len(l.FreshRefusals); n != 1 {
		t.Errorf("%d refusals of one bearer", n)
	}
}

// R23: what is presented when grants have stopped dying. Nothing is shown twice that
// may not be, and nothing that the link has not got.
func TestAHeldVerdictGivesTheWholeChainAnotherTry(t *testing.T) {
	for name, c := range map[string]struct {
		chain  []links.GrantType
		by     links.GrantType // was called dead last
		spent  []links.GrantType
		replay links.Replay
		want   links.GrantType // empty: the verdict
	}{
		"a refresh token alone":            {nil, links.GrantRefreshToken, nil, links.Forbidden, ""},
		"one that may be shown again":      {nil, links.GrantRefreshToken, nil, links.Safe, links.GrantRefreshToken},
		"a key":                            {[]links.GrantType{links.GrantAPIKey}, links.GrantAPIKey, nil, links.Safe, links.GrantAPIKey},
		"a key after a refresh token":      {refreshThenKey.Grants, links.GrantAPIKey, []links.GrantType{links.GrantRefreshToken}, links.Forbidden, links.GrantAPIKey},
		"both, where both may be":          {refreshThenKey.Grants, links.GrantAPIKey, []links.GrantType{links.GrantRefreshToken}, links.Safe, links.GrantRefreshToken},
		"a password after a refresh token": {refreshThenPassword.Grants, links.GrantPassword, []links.GrantType{links.GrantRefreshToken}, links.Forbidden, links.GrantPassword},
	} {
		v := view(chained(c.chain...), links.Closed)
		v.Rules.Replay = c.replay
		l := withKey(active())
		l.Spent = c.spent
		l = l.Begin(links.Attempt{ID: "a", At: now, Grant: c.by}, true, v.Rules).HoldVerdict("a", links.ReasonGrantDead, now, v.Rules, 0.5)
		v.Now, v.Held = l.Due, true
		if d := l.Decide(timer, v); d.Action != links.Defer {
			t.Errorf("%s: while grants die: %v", name, d.Action)
		}
		v.Held = false
		d := l.Decide(timer, v)
		if c.want == "" {
			if d.Action != links.GiveUp {
				t.Errorf("%s: %v by %q", name, d.Action, d.Grant)
			}
			continue
		}
		if d.Action != links.Repeat || d.Grant != c.want {
			t.Errorf("%s: %v by %q, want %q", name, d.Action, d.Grant, c.want)
		}
		if l = begin(t, l, "b", timer, v); l.Doomed != "" || slices.Contains(l.Spent, c.want) {
			t.Errorf("%s: presented as dead: %v, %q", name, l.Spent, l.Doomed)
		}
	}
}

// R23: a key that was called dead in a spike is not dead for ever.
func TestAWordInDoubtIsForgottenWithTheNextAnswer(t *testing.T) {
	r := chained(links.GrantAPIKey, links.GrantRefreshToken)
	l := withKey(active()).Begin(links.Attempt{ID: "a", At: now, Grant: links.GrantAPIKey}, true, r)
	l = l.Dead("a", links.ReasonGrantDead, origin, now, r).Doubtful()
	l = l.Begin(links.Attempt{ID: "b", At: now, Grant: links.GrantRefreshToken}, true, r)
	dead := l.Dead("b", links.ReasonGrantDead, origin, now, r)
	if !l.Undecided(dead) {
		t.Error("the user is wanted, on a word that was in doubt")
	}
	l = commit(l, claimB, renewedGrant(), r)
	wantNext(t, l, later(view(r, links.Closed), time.Hour), links.GrantAPIKey)
}

// What ends a held verdict ends it for good.
func TestAHeldVerdictIsOverTakenByNews(t *testing.T) {
	held := func() links.Link {
		return refreshing("a", "b").HoldVerdict("b", links.ReasonGrantDead, now, rules, 0.5)
	}
	late := commit(held(), claimA, renewedGrant(), rules)
	if late.Status != links.Active || late.Doomed != "" || len(late.Spent) > 0 {
		t.Errorf("a late answer: %s, %q, %v", late.Status, late.Doomed, late.Spent)
	}
	again := held().Reconsent(links.Completed{Flow: "f", ID: "f", Order: now, Grant: renewedGrant()}, origin, now, rules, 0.5)
	if again.Status != links.Active || again.Doomed != "" || len(again.Spent) > 0 {
		t.Errorf("a consent: %s, %q, %v", again.Status, again.Doomed, again.Spent)
	}
	out := held().Revoke("logout", false, now, origin, now)
	v := view(rules, links.Closed)
	v.Now = held().Due
	if d := out.Decide(timer, v); d.Action != links.Finish || out.Answers(claimA, rules) != links.ResultLate {
		t.Errorf("a logout: %v, and a late answer is %v", d.Action, out.Answers(claimA, rules))
	}
	unsent, _ := held().Clear("a", now, time.Time{}, rules, 0.5)
	if d := unsent.Decide(timer, v); unsent.Status != links.Uncertain || d.Action != links.GiveUp {
		t.Errorf("an attempt that was not made: %s, then %v", unsent.Status, d.Action)
	}
}

// R18: asked ahead of need in vain; then the bearer is refused before it is time to
// ask again. It is credentials that are wanted, not a consent.
func TestA401SoonAfterAQuestionInVainCallsForCredentials(t *testing.T) {
	v := view(chained(links.GrantPassword), links.Closed)
	l := active().CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules)
	v.Now = now.Add(3 * time.Second)
	if d := l.Decide(expiring, v); d.Action != links.Finish {
		t.Errorf("the bearer lives, and a report of the storm: %v (%s)", d.Action, d.Reason)
	}
	d := l.Decide(seen401, v)
	if d.Action != links.Condemn {
		t.Fatalf("a 401: %v", d.Action)
	}
	l = l.Seen(seen401).Despair(d.Reason, origin, v.Now)
	if e := event[events.CredentialsRequired](t, l, 0); e.Reason != links.CredentialsNoAnswer || len(l.Outbox) != 1 {
		t.Errorf("told %d things, first %+v", len(l.Outbox), e)
	}
}

// R18: a lost answer leaves the password alone to ask for, and nobody is there.
func TestALostAnswerAndAnAbsentOwnerCallForCredentials(t *testing.T) {
	v := view(refreshThenPassword, links.Closed)
	l := begin(t, active(), "a", seen401, v)
	wantNext(t, l, v, links.GrantPassword)
	l = l.CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules)
	if d := l.Decide(seen401, v); d.Action != links.GiveUp {
		t.Fatalf("then %v by %q", d.Action, d.Grant)
	}
	l = l.GiveUp(v, origin)
	if event[events.CredentialsRequired](t, l, 0); l.Status != links.ConsentRequired {
		t.Errorf("the link is %s", l.Status)
	}
	wantNext(t, l, later(v, time.Minute), links.GrantPassword)
	if d := l.Decide(timer, later(v, time.Minute)); d.Action != links.Finish {
		t.Errorf("a timer that fires late: %v", d.Action)
	}
	if late := commit(l, claimA, renewedGrant(), v.Rules); late.Status != links.Active || late.Awaiting != nil {
		t.Errorf("the late answer: %s", late.Status)
	}
}

// An unknown outcome is no reason not to try what cannot be spent.
func TestAnUncertainLinkTriesWhatHarmsNobody(t *testing.T) {
	v := view(refreshThenPassword, links.Over)
	l := refreshing("a").CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules).GiveUp(v, origin)
	if l.Status != links.Uncertain {
		t.Fatalf("the link is %s", l.Status)
	}
	wantNext(t, l, later(v, time.Minute), links.GrantPassword)
	v.Now = l.Due
	if d := l.Decide(timer, v); d.Action != links.Repeat || d.Grant != links.GrantPassword {
		t.Errorf("when its verdict is due: %v by %q", d.Action, d.Grant)
	}
}

// A wrong password beside an unknown outcome does not put off the verdict, or the
// account is soon locked.
func TestAWrongPasswordGivesAnUnknownOutcomeNoMoreTime(t *testing.T) {
	v := view(refreshThenPassword, links.Over)
	l := begin(t, active(), "a", seen401, v)
	shown := 0
	for ; l.Status != links.ConsentRequired && shown < 10; shown++ {
		id := fmt.Sprint("p-", shown)
		l = l.Begin(links.Attempt{ID: id, At: v.Now, Grant: links.GrantPassword}, true, v.Rules)
		l = l.Dead(id, links.ReasonGrantDead, origin, v.Now, v.Rules).GiveUp(v, origin)
		v.Now, v.StoreNow = l.Due, l.Due
	}
	if shown > 2 {
		t.Errorf("shown %d times, and the link is %s", shown, l.Status)
	}
}

// No password is presented while a code is: the consent may be ending the login's
// earlier tokens.
func TestNoPasswordIsAskedForWhileACodeIsExchanged(t *testing.T) {
	v := view(chained(links.GrantPassword), links.Closed)
	l := active().Seen(seen401).CredentialsMissing("", links.CredentialsNoAnswer, origin, now, v.Rules)
	v.Now = now.Add(time.Minute)
	open, _ := l.Open(links.Exchange{Flow: "f", ID: "f", At: now})
	if d := open.Decide(seen401, v); d.Action != links.Wait {
		t.Errorf("while the exchange is open: %v", d.Action)
	}
	wantNext(t, open.Close("f"), v, links.GrantPassword)
	if d := l.Revoke("logout", false, now, origin, now).Decide(seen401, v); d.Action != links.Finish {
		t.Errorf("after a logout: %v", d.Action)
	}
}

// A login by password begins a new grant, whose refresh token does not end when the
// one before it did.
func TestARefreshTokenThatAnotherGrantBroughtHasItsOwnClock(t *testing.T) {
	v := view(refreshThenKey, links.Closed)
	l := withKey(active())
	l.RefreshExpiresAt = now.Add(-time.Minute)
	l = commit(begin(t, l, "b", seen401, v), claimB, renewedGrant(), v.Rules)
	wantNext(t, l, later(v, time.Hour), links.GrantRefreshToken)
}

// R19: a link that was stopped is the user's again with a consent, and is not stopped
// while one is under way.
func TestALinkThatWasStoppedGoesOnWithAConsent(t *testing.T) {
	r := guarded(false)
	l := active()
	l.IssuedAt, l.FreshRefusals = now.Add(-time.Minute), []time.Time{now.Add(-3 * time.Minute), now.Add(-2 * time.Minute)}
	v := view(r, links.Closed)
	if d := l.Decide(seen401, v); d.Action != links.Reject {
		t.Fatalf("decided %v", d.Action)
	}
	open, _ := l.Open(links.Exchange{Flow: "f", ID: "f", At: now})
	if d := open.Decide(seen401, v); d.Action != links.Wait {
		t.Errorf("while a code is exchanged: %v", d.Action)
	}
	stopped := l.Reject(v, origin)
	again := stopped.Reconsent(links.Completed{Flow: "f", ID: "f", Order: now, Grant: renewedGrant()}, origin, now, r, 0.5)
	if d := again.Decide(links.Trigger{Generation: 6, Reason: events.ReasonUnauthorized}, v); d.Action != links.Begin {
		t.Errorf("after the consent: %v (%s)", d.Action, d.Reason)
	}
}
