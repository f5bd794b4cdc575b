package providertest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func startNamed(t *testing.T, system string) *bench {
	t.Helper()
	b, err := Named(system)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, b)
}

func TestEveryNamedSystemRefreshesOnceAndServes(t *testing.T) {
	for _, system := range append(Names(), Profiles()...) {
		t.Run(system, func(t *testing.T) {
			b := startNamed(t, system)
			g := b.Issue("op", "alice")
			b.Kill(g.Family)
			if a := b.resource(g.Bearer); a.status != http.StatusUnauthorized {
				t.Fatalf("resource answered %d to a killed bearer", a.status)
			}
			second := b.mustRefresh(g.RefreshToken)
			bearer := second.body.Access
			if g.Bearer == g.IDToken {
				bearer = second.body.ID
			}
			if a := b.resource(bearer); a.status != http.StatusOK {
				t.Fatalf("resource answered %d to a fresh bearer", a.status)
			}
			b.outcomes(OK)
		})
	}
	if _, err := Named("nonesuch"); err == nil || !strings.Contains(err.Error(), "akoya") {
		t.Fatalf("error %v does not say what there is", err)
	}
}

func TestAkoya(t *testing.T) {
	b := startNamed(t, "akoya")
	g := b.Issue("op", "alice")
	if g.Bearer != g.IDToken || b.Alive(g.AccessToken) {
		t.Fatal("the bearer is the ID token")
	}
	second := b.mustRefresh(g.RefreshToken)
	if !b.Alive(g.IDToken) || !b.Alive(second.body.ID) {
		t.Fatal("many ID tokens of a link are valid at once")
	}
	a := b.refresh(g.RefreshToken)
	if a.status != 400 || a.body.Error != "invalid_request" || !strings.Contains(a.body.About, "already been claimed by another client") {
		t.Fatalf("a used token was answered %d %s", a.status, a.text)
	}
	code, _ := b.IssueCode("op", "bob") // exchanged with basic, where refresh is with post
	if a := b.exchange(code); a.status != http.StatusOK || a.body.ID == "" {
		t.Fatalf("the code was answered %d %s", a.status, a.text)
	}
	third := b.mustRefresh(second.body.Refresh) // refused, not revoked
	// A reconsent, or the same login linked elsewhere: all earlier ID tokens stop.
	again := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code)
	for _, earlier := range []string{g.IDToken, second.body.ID, third.body.ID} {
		if b.Alive(earlier) {
			t.Fatal("an earlier ID token is alive")
		}
	}
	if !b.state(g.Family).Killed || !b.Alive(again.body.ID) {
		t.Fatal("the first link lives beside the second")
	}
}

func TestAstra(t *testing.T) {
	b := startNamed(t, "astra")
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	if b.Alive(g.Bearer) || second.body.Expires != 7200 {
		t.Fatal("one access token at a time, of two hours")
	}
	b.clock.Add(10*day - time.Second)
	b.mustRefresh(g.RefreshToken)
	b.clock.Add(time.Second)
	b.mustDie(g.RefreshToken)
}

func TestSDKHasAJWTAccessToken(t *testing.T) {
	b := startNamed(t, "sdk")
	g := b.Issue("op", "alice")
	if strings.Count(g.AccessToken, ".") != 2 || g.ExpiresAt.Sub(b.clock.Now()) != 15*time.Minute {
		t.Fatalf("access token of %s", g.ExpiresAt.Sub(b.clock.Now()))
	}
	b.clock.Add(7 * day)
	b.mustDie(g.RefreshToken)
}

func TestWSO2LogoutIsEverybodys(t *testing.T) {
	b := startNamed(t, "wso2")
	phone, tablet := b.Issue("op", "alice"), b.Issue("op", "alice")
	if a := b.revoke(phone.RefreshToken); a.status != http.StatusOK {
		t.Fatalf("revocation answered %d", a.status)
	}
	if b.Alive(tablet.Bearer) || !b.state(tablet.Family).Killed {
		t.Fatal("the tablet is still logged in")
	}
}

func TestNextIdentityLengthsAndClocks(t *testing.T) {
	b := startNamed(t, "nextidentity")
	code, family := b.IssueCode("op", "alice")
	first := b.exchange(code)
	if len(code) != 14 || len(first.body.Access) != 16 || len(first.body.Refresh) != 20 || first.body.Expires != 3600 {
		t.Fatalf("code %d, access %d, refresh %d characters, expires_in %d", len(code), len(first.body.Access), len(first.body.Refresh), first.body.Expires)
	}
	claims := b.claims(first.body.ID)
	if life := claims.Expiry.Time().Sub(claims.IssuedAt.Time()); life != 14*day {
		t.Fatalf("the ID token lives %s, want 14 days", life)
	}
	if again := b.exchange(code); again.status != 400 || !b.state(family).Revoked {
		t.Fatal("a code was good twice")
	}
}

func TestNextIdentityAnswersAtOnceWhileTheBrowserIsLoggedIn(t *testing.T) {
	b := startNamed(t, "nextidentity")
	browser := NewBrowser()
	b.subOf(browser.Consent(t.Context(), b.authorizeURL(), "alice"))
	b.clock.Add(14*day - time.Second)
	silent, err := browser.Consent(t.Context(), b.authorizeURL("prompt", "none"), "")
	if got := b.subOf(silent, err); got != "alice" || len(silent.Code) != 14 {
		t.Fatalf("%s, a code of %d characters", got, len(silent.Code))
	}
	b.clock.Add(time.Second)
	if late, err := browser.Consent(t.Context(), b.authorizeURL("prompt", "none"), ""); err != nil || late.Error != "login_required" {
		t.Fatalf("%+v %v", late, err)
	}
}

func TestEveryNamedSystemTakesACodeOnce(t *testing.T) {
	for _, system := range append(Names(), Profiles()...) {
		t.Run(system, func(t *testing.T) {
			b := startNamed(t, system)
			code := b.mustConsent(b.authorizeURL(), "alice").Code
			first := b.redeem(code)
			if first.status != 200 {
				t.Fatalf("answered %d %s", first.status, first.text)
			}
			b.mustRefresh(first.body.Refresh)
			b.redeem(code)
			b.outcomes(OK, OK, ReuseRevoked)
		})
	}
}
