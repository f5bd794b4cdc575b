package providertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// One test for each cell of the five systems that named_test.go does not have.

func TestAkoyaBearerLivesByItsOwnExp(t *testing.T) {
	b := startNamed(t, "akoya")
	g := b.Issue("op", "alice")
	if exp := b.claims(g.IDToken).Expiry.Time(); !exp.Equal(b.clock.Now().Add(day)) || !exp.Equal(g.ExpiresAt) {
		t.Fatalf("exp %s, ends %s", exp, g.ExpiresAt)
	}
	b.clock.Add(day - time.Second)
	if a := b.resource(g.Bearer); a.status != 200 {
		t.Fatalf("answered %d", a.status)
	}
	b.clock.Add(time.Second)
	if a := b.resource(g.Bearer); a.status != 401 || a.number("code") != 602 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	if a := b.resource(g.AccessToken); a.status != 401 {
		t.Fatal("the access token is no bearer here")
	}
}

func TestAkoyaSaysExpiredInItsOwnWords(t *testing.T) {
	behaviour, _ := Named("akoya")
	behaviour.RefreshTTL = 30 * day // each data provider has its own
	b := start(t, behaviour)
	g := b.Issue("op", "alice")
	b.clock.Add(30 * day)
	if a := b.refresh(g.RefreshToken); a.status != 400 || a.body.Error != "invalid_request" || a.body.About != "Refresh token expired." {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestAkoyaReconsentChangesScopesAndAccountsAndKeepsSub(t *testing.T) {
	b := startNamed(t, "akoya")
	first := b.redeem(b.mustConsent(b.authorizeURL("scope", "openid a b"), "alice", WithAccounts("1", "2")).Code)
	again := b.redeem(b.mustConsent(b.authorizeURL("scope", "openid a b"), "alice", WithAccounts("2", "3"), WithScope("openid a")).Code)
	if first.body.Scope == again.body.Scope || b.claims(first.body.ID).Subject != b.claims(again.body.ID).Subject {
		t.Fatalf("scopes %q and %q", first.body.Scope, again.body.Scope)
	}
	ids, _ := b.accounts(b.Endpoints("op").AccountsURL, again.body.ID)
	if !slices.Equal(ids, []string{"2", "3"}) {
		t.Fatalf("accounts %v", ids)
	}
	if b.Alive(first.body.ID) {
		t.Fatal("an earlier ID token is alive")
	}
	b.refresh(first.body.Refresh)
	b.outcomes(OK, OK, Dead)
}

func TestAkoyaOtherLoginsOfTheUserAreLeftAlone(t *testing.T) {
	b := startNamed(t, "akoya")
	joint, own := b.Issue("op", "joint"), b.Issue("op", "alice")
	b.Issue("op", "alice")
	if !b.Alive(joint.Bearer) || b.Alive(own.Bearer) {
		t.Fatal("one link for each login, and for no more than that login")
	}
}

func TestAkoyaIsRevokedAtTheSiteWithoutNotice(t *testing.T) {
	b := startNamed(t, "akoya")
	g, other := b.Issue("op", "alice"), b.Issue("op", "bob")
	second := b.mustRefresh(g.RefreshToken)
	if b.RevokeAtSite("op", "alice") != 1 || b.RevokeAtSite("op", "alice") != 0 || b.RevokeAtSite("op", "nobody") != 0 {
		t.Fatal("one grant was alive, once")
	}
	if b.Alive(g.Bearer) || b.Alive(second.body.ID) || !b.Alive(other.Bearer) {
		t.Fatal("all of the login's ID tokens stop, and nobody else's")
	}
	if a := b.refresh(second.body.Refresh); a.status != 400 || a.body.Error != "invalid_request" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.outcomes(OK, Dead)
}

func TestAstraOldTokensGetANewOneEachAndOneBearerLives(t *testing.T) {
	b := startNamed(t, "astra")
	g := b.Issue("op", "alice")
	var bearers []string
	for range 3 { // an answer that was lost twice
		bearers = append(bearers, b.mustRefresh(g.RefreshToken).body.Access)
	}
	if b.Alive(bearers[0]) || b.Alive(bearers[1]) || !b.Alive(bearers[2]) {
		t.Fatal("the newest bearer lives alone")
	}
	if state := b.state(g.Family); state.Serial != 4 || state.LiveBearers != 1 {
		t.Fatalf("state %+v", state)
	}
	b.clock.Add(2 * time.Hour)
	if b.Alive(bearers[2]) {
		t.Fatal("a bearer of more than two hours")
	}
}

func TestAstraCodesLiveSeveralMinutes(t *testing.T) {
	b := startNamed(t, "astra")
	early, late := b.mustConsent(b.authorizeURL(), "alice").Code, b.mustConsent(b.authorizeURL(), "alice").Code
	b.clock.Add(5*time.Minute - time.Second)
	if a := b.redeem(early); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.clock.Add(time.Second)
	if a := b.redeem(late); a.status != 400 || a.body.Error != "invalid_grant" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestSDKFallsBackToItsAPIKey(t *testing.T) {
	b := startNamed(t, "sdk")
	g, key := b.Issue("op", "alice"), b.IssueAPIKey("op", "alice")
	b.clock.Add(7 * day)
	b.mustDie(g.RefreshToken)
	a := b.mustBegin(keyForm(key))
	if strings.Count(a.body.Access, ".") != 2 || strings.Contains(a.body.Refresh, ".") || a.body.Expires != 900 {
		t.Fatalf("answered %s", a.text)
	}
	b.mustRefresh(a.body.Refresh)
	b.RevokeAPIKey("op", key)
	b.mustRefuse(keyForm(key), "invalid_grant")
}

func TestSDKRevokesOnTheServer(t *testing.T) {
	b := startNamed(t, "sdk")
	g, other := b.Issue("op", "alice"), b.Issue("op", "alice")
	if a := b.revoke(g.RefreshToken); a.status != 200 {
		t.Fatalf("answered %d", a.status)
	}
	b.mustDie(g.RefreshToken)
	if b.Alive(g.Bearer) || !b.Alive(other.Bearer) {
		t.Fatal("what was revoked is dead, and nothing beside it")
	}
}

func TestWSO2OneTokenPerUserWhoeverGetsIt(t *testing.T) {
	b := startNamed(t, "wso2")
	b.SetPassword("op", "alice", password)
	phone := b.mustBegin(passwordForm("alice", password)).body
	others := b.Issue("op", "bob")
	mustBeTheOne := func(got string, earlier ...string) {
		t.Helper()
		for _, each := range earlier {
			if b.Alive(each) {
				t.Fatal("another device's token is alive")
			}
		}
		if !b.Alive(got) || !b.Alive(others.Bearer) {
			t.Fatal("the newest token of each user lives")
		}
	}
	tablet := b.mustBegin(passwordForm("alice", password)).body
	mustBeTheOne(tablet.Access, phone.Access)
	again := b.mustRefresh(phone.Refresh).body
	mustBeTheOne(again.Access, phone.Access, tablet.Access)
	foreign := b.ForeignLogin("op", "alice")
	mustBeTheOne(foreign.Bearer, again.Access)
	back := b.mustBegin(passwordForm("alice", password)).body
	mustBeTheOne(back.Access, foreign.Bearer)
	b.outcomes(OK, OK, OK, OK) // the foreign client is not ours to count
}

func TestWSO2LogoutEndsForeignDevicesAndTheNextPasswordBeginsAgain(t *testing.T) {
	b := startNamed(t, "wso2")
	b.SetPassword("op", "alice", password)
	phone, watch := b.mustBegin(passwordForm("alice", password)).body, b.mustBegin(passwordForm("alice", password)).body
	tablet := b.ForeignLogin("op", "alice")
	b.revoke(phone.Refresh)
	for _, refresh := range []string{phone.Refresh, watch.Refresh, tablet.RefreshToken} {
		b.mustDie(refresh)
	}
	if b.Alive(tablet.Bearer) {
		t.Fatal("one device's logout is everybody's")
	}
	b.mustBegin(passwordForm("alice", password))
}

func TestNextIdentityKeepsCustomClaimsAndEndsByItsOwnClock(t *testing.T) {
	b := startNamed(t, "nextidentity")
	callback := b.mustConsent(b.authorizeURL(), "alice", WithClaims(map[string]any{"tier": "gold", "sub": "mallory"}))
	first := b.redeem(callback.Code)
	second := b.mustRefresh(first.body.Refresh)
	for _, token := range []string{first.body.ID, second.body.ID} {
		if custom := b.custom(token); custom["tier"] != "gold" || custom["sub"] != "alice" {
			t.Fatalf("claims %v", custom)
		}
	}
	b.clock.Add(time.Hour)
	if b.Alive(second.body.Access) || b.Alive(second.body.ID) {
		t.Fatal("the bearer lives an hour; the ID token is none, for all its 14 days")
	}
}

// custom is all that a token claims, verified.
func (b *bench) custom(token string) map[string]any {
	b.t.Helper()
	b.claims(token)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		b.t.Fatal(err)
	}
	claims := map[string]any{}
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		b.t.Fatal(err)
	}
	return claims
}
