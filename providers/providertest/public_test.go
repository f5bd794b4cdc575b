package providertest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAuth0AnswersADeadTokenWith403AndKnowsTheTokenBefore(t *testing.T) {
	b := startNamed(t, "auth0")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if a := b.refresh(g.RefreshToken); a.status != 403 || a.body.Error != "invalid_grant" || a.body.About != "Unknown or invalid refresh token." {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	if a := b.refresh(second.body.Refresh); a.status != 403 || b.Revoked() != 1 {
		t.Fatal("the family lives")
	}
}

func TestAuth0WithALeeway(t *testing.T) {
	behaviour, _ := Named("auth0")
	behaviour.Grace = 30 * time.Second
	b := start(t, behaviour)
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.mustRefresh(g.RefreshToken)
	b.mustRefresh(second.body.Refresh)
	b.refresh(g.RefreshToken) // no longer the one before
	b.outcomes(OK, ReuseGrace, OK, ReuseRevoked)
}

func TestDexGivesTheSameSuccessorForAWhileAndThenRefuses(t *testing.T) {
	b := startNamed(t, "dex")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(3 * time.Second)
	again := b.mustRefresh(g.RefreshToken)
	if again.body.Refresh != second.body.Refresh || again.body.ID == second.body.ID || !b.Alive(again.body.Access) {
		t.Fatal("the same successor, and fresh bearers")
	}
	b.clock.Add(time.Second)
	if a := b.refresh(g.RefreshToken); a.status != 400 || a.body.Error != "invalid_request" || !strings.Contains(a.body.About, "already been claimed by another client") {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.mustRefresh(second.body.Refresh)
	b.outcomes(OK, ReuseGrace, Refused, OK)
}

func TestEntraDoesNotRevokeTheOldToken(t *testing.T) {
	b := startNamed(t, "entra")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(90*day - time.Second)
	if again := b.mustRefresh(g.RefreshToken); again.body.Refresh == second.body.Refresh {
		t.Fatal("a new token each time")
	}
	b.clock.Add(time.Second)
	if a := b.refresh(g.RefreshToken); a.body.Error != "invalid_grant" || !strings.HasPrefix(a.body.About, "AADSTS") {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.outcomes(OK, OK, Dead)
}

func TestGitHubAppsEndsBothTokensAtOnceAndAnswers200(t *testing.T) {
	b := startNamed(t, "github-apps")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if b.Alive(g.Bearer) || second.body.Expires != 8*3600 || second.number("refresh_token_expires_in") != 181*24*3600 {
		t.Fatalf("answered %s", second.text)
	}
	if a := b.refresh(g.RefreshToken); a.status != 200 || a.body.Error != "bad_refresh_token" || a.body.Access != "" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestGoogleShowsItsOneTokenOnce(t *testing.T) {
	b := startNamed(t, "google")
	first := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code)
	if a := b.mustRefresh(first.body.Refresh); a.body.Refresh != "" || a.body.Access == "" {
		t.Fatalf("answered %s", a.text)
	}
	second := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code)
	asked := b.redeem(b.mustConsent(b.authorizeURL("prompt", "consent"), "alice").Code)
	other := b.redeem(b.mustConsent(b.authorizeURL(), "bob").Code)
	if second.status != 200 || second.body.Refresh != "" || asked.body.Refresh == "" || other.body.Refresh == "" {
		t.Fatal("a consent after the first shows a refresh token with prompt=consent alone")
	}
	b.RevokeAtSite("op", "alice")
	if again := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code); again.body.Refresh == "" {
		t.Fatal("after a revocation the next consent is the first")
	}
}

func TestGoogleEndsATokenThatNobodyUsesForHalfAYear(t *testing.T) {
	b := startNamed(t, "google")
	g := b.Issue("op", "alice")
	for range 3 {
		b.clock.Add(180 * day)
		b.mustRefresh(g.RefreshToken)
	}
	b.clock.Add(sixMonths)
	if a := b.refresh(g.RefreshToken); a.status != 400 || a.body.Error != "invalid_grant" || a.body.About != "Token has been expired or revoked." {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestIntuitRollsAHundredDaysUnderAHardCap(t *testing.T) {
	b := startNamed(t, "intuit")
	g := b.Issue("op", "alice")
	for range 18 {
		b.clock.Add(100*day - time.Second)
		a := b.mustRefresh(g.RefreshToken)
		left := a.number("x_refresh_token_hard_expires_in")
		if rolling := a.number("x_refresh_token_expires_in"); rolling != min(left, 100*24*3600) {
			t.Fatalf("rolling %d, hard %d", rolling, left)
		}
		g.RefreshToken = a.body.Refresh
	}
	b.clock.Add(26 * day) // 1,826 days since the consent
	b.mustDie(g.RefreshToken)
}

func TestOktaEndsTheNewestTokenAndAllAccessTokensSinceTheLogin(t *testing.T) {
	b := startNamed(t, "okta")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(30 * time.Second)
	third := b.mustRefresh(g.RefreshToken)
	b.clock.Add(time.Second)
	b.mustDie(g.RefreshToken)
	for _, access := range []string{g.AccessToken, second.body.Access, third.body.Access} {
		if b.Alive(access) {
			t.Fatal("an access token since the login is alive")
		}
	}
	b.mustDie(third.body.Refresh)
	b.outcomes(OK, ReuseGrace, ReuseRevoked, Dead)
}

func TestOktaEndsATokenAfterAnIdleWeek(t *testing.T) {
	b := startNamed(t, "okta")
	g := b.Issue("op", "alice")
	b.clock.Add(7*day - time.Second)
	second := b.mustRefresh(g.RefreshToken)
	b.clock.Add(7 * day)
	b.mustDie(second.body.Refresh)
}

func TestShopifyKeepsTheOldTokenUntilTheSuccessorIsUsedOrThirtyDays(t *testing.T) {
	for name, use := range map[string]func(*bench, answer){
		"used":  func(b *bench, a answer) { b.resource(a.body.Access) },
		"aging": func(b *bench, _ answer) { b.clock.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			b := startNamed(t, "shopify")
			g := b.Issue("op", "alice")
			b.mustRefresh(g.RefreshToken)
			b.clock.Add(30 * day)
			use(b, b.mustRefresh(g.RefreshToken))
			b.mustDie(g.RefreshToken)
			b.outcomes(OK, ReuseGrace, ReuseRevoked)
		})
	}
}

func TestSlackSaysOKOrNotWith200(t *testing.T) {
	b := startNamed(t, "slack")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if !strings.Contains(second.text, `"ok":true`) || second.body.Expires != 12*3600 {
		t.Fatalf("answered %s", second.text)
	}
	if a := b.refresh(g.RefreshToken); a.status != 200 || a.body.Error != "invalid_refresh_token" || !strings.Contains(a.text, `"ok":false`) {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.SetSecrets("op")
	if a := b.refresh("unheard-of"); a.status != 200 || a.body.Error != "bad_client_secret" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestXeroWaitsHalfAnHourForALostAnswer(t *testing.T) {
	b := startNamed(t, "xero")
	g := b.Issue("op", "alice")
	b.Script("op", Fault{When: After, Kind: Reset})
	b.refresh(g.RefreshToken)
	b.clock.Add(30 * time.Minute)
	second := b.mustRefresh(g.RefreshToken)
	if second.body.Expires != 1800 {
		t.Fatalf("expires_in %d", second.body.Expires)
	}
	b.clock.Add(60*day - time.Second)
	third := b.mustRefresh(second.body.Refresh)
	b.clock.Add(60 * day)
	b.mustDie(third.body.Refresh)
	b.outcomes(OK, ReuseGrace, OK, Dead)
}

func TestNamesAndProfilesAreApart(t *testing.T) {
	for _, name := range Profiles() {
		if slices.Contains(Names(), name) {
			t.Errorf("%s is in both lists", name)
		}
	}
	if len(Profiles()) != 10 || len(Names()) != 6 {
		t.Errorf("%v and %v", Names(), Profiles())
	}
}
