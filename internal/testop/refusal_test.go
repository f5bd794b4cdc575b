package testop_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/regrant/regrant/internal/testop"
)

func TestRefreshTokenIsOneTime(t *testing.T) {
	a := start(t, testop.Config{})
	first := a.link(t, "alice")
	second := a.mustRefresh(t, first.RefreshToken)
	if second.RefreshToken == first.RefreshToken {
		t.Fatal("the refresh token did not change")
	}
	if id, _ := a.idToken(t, second); id.Subject != "alice" || id.Nonce != "" {
		t.Errorf("refreshed ID token of %s with nonce %q", id.Subject, id.Nonce)
	}
	third := a.mustRefresh(t, second.RefreshToken)

	_, err := a.refresh(first.RefreshToken)
	refused(t, err, "invalid_grant")
	_, err = a.refresh(third.RefreshToken)
	refused(t, err, "invalid_grant")
	if a.live(t, third) {
		t.Error("the family's access token outlived a reused refresh token")
	}
}

func TestReplayedCodeEndsItsGrant(t *testing.T) {
	a := start(t, testop.Config{})
	other := a.link(t, "alice")
	back := a.consent(t, "alice")
	tok, err := a.exchange(back.Code)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.exchange(back.Code)
	refused(t, err, "invalid_grant")
	_, err = a.refresh(tok.RefreshToken)
	refused(t, err, "invalid_grant")
	if a.live(t, tok) || !a.live(t, other) {
		t.Error("a replayed code ends its own grant, and no other")
	}
}

// However many present one credential at once, one gets tokens.
func TestOneOfManyWins(t *testing.T) {
	a := start(t, testop.Config{})
	back := a.consent(t, "alice")
	if n := winners(func() error { _, err := a.exchange(back.Code); return err }); n != 1 {
		t.Errorf("%d of 20 redeemed one code", n)
	}
	tok := a.link(t, "alice")
	if n := winners(func() error { _, err := a.refresh(tok.RefreshToken); return err }); n != 1 {
		t.Errorf("%d of 20 used one refresh token", n)
	}
	if n := a.op.Counts().Codes[back.Code]; n != 20 {
		t.Errorf("counted %d presentations of the code", n)
	}
}

func winners(present func() error) (n int) {
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for range cap(results) {
		wg.Go(func() { results <- present() })
	}
	wg.Wait()
	close(results)
	for err := range results {
		if err == nil {
			n++
		}
	}
	return n
}

func TestWrongVerifier(t *testing.T) {
	a := start(t, testop.Config{})
	_, err := a.oauth.Exchange(a.ctx, a.consent(t, "alice").Code, oauth2.VerifierOption("another"))
	refused(t, err, "invalid_grant")
}

func TestPKCEIsRequired(t *testing.T) {
	a := start(t, testop.Config{})
	for _, address := range []string{
		a.oauth.AuthCodeURL(state),
		a.oauth.AuthCodeURL(state, oauth2.SetAuthURLParam("code_challenge_method", "S256")),
		a.oauth.AuthCodeURL(state, oauth2.SetAuthURLParam("code_challenge", verifier), oauth2.SetAuthURLParam("code_challenge_method", "plain")),
	} {
		if back := a.op.Consent(t, address, "alice"); back.Error != "invalid_request" || back.State != state || back.Iss == "" {
			t.Errorf("callback %+v", back)
		}
	}
}

func TestClientAuthenticatesAsRegistered(t *testing.T) {
	op := testop.Start(t, testop.Config{Clients: []testop.Client{{ID: "basic", Secret: "s1"}, {ID: "post", Secret: "s2", Post: true}}})
	op.User(testop.User{Sub: "alice"})
	a := connect(t, op, oauth2.AuthStyleInParams)
	_, err := a.exchange(a.consent(t, "alice").Code)
	refused(t, err, "invalid_client")

	a = connect(t, op, oauth2.AuthStyleInHeader)
	a.oauth.ClientSecret = "wrong"
	_, err = a.exchange(a.consent(t, "alice").Code)
	refused(t, err, "invalid_client")

	a.oauth.ClientID, a.oauth.ClientSecret = "post", "s2"
	_, err = a.exchange(a.consent(t, "alice").Code)
	refused(t, err, "invalid_client")
}

// What was issued to one client is nothing to another, not even to revoke.
func TestCrossedClients(t *testing.T) {
	op := testop.Start(t, testop.Config{Clients: []testop.Client{{ID: "one", Secret: "s1"}, {ID: "two", Secret: "s2"}}})
	op.User(testop.User{Sub: "alice"})
	one, two := connect(t, op, oauth2.AuthStyleInHeader), connect(t, op, oauth2.AuthStyleInHeader)
	two.oauth.ClientID, two.oauth.ClientSecret = "two", "s2"

	_, err := two.exchange(one.consent(t, "alice").Code)
	refused(t, err, "invalid_grant")
	tok := one.link(t, "alice")
	_, err = two.refresh(tok.RefreshToken)
	refused(t, err, "invalid_grant")
	two.revoke(t, tok.RefreshToken)
	two.revoke(t, tok.AccessToken)
	if !one.live(t, tok) {
		t.Error("a client revoked another's tokens")
	}
	one.mustRefresh(t, tok.RefreshToken)
}

func TestExpiredBearer(t *testing.T) {
	a := start(t, testop.Config{AccessTTL: time.Nanosecond})
	tok := a.link(t, "alice")
	if a.live(t, tok) {
		t.Error("an expired access token is accepted")
	}
	a.mustRefresh(t, tok.RefreshToken)
}

func TestRevocation(t *testing.T) {
	a := start(t, testop.Config{})
	first, second := a.link(t, "alice"), a.link(t, "alice")
	if status := a.revoke(t, first.RefreshToken); status != http.StatusOK {
		t.Fatalf("revocation answered %d", status)
	}
	if a.live(t, first) || !a.live(t, second) {
		t.Error("revoking a refresh token ends its grant, and no other")
	}
	_, err := a.refresh(first.RefreshToken)
	refused(t, err, "invalid_grant")

	if a.revoke(t, second.AccessToken); a.live(t, second) {
		t.Error("a revoked access token lives")
	}
	a.mustRefresh(t, second.RefreshToken)
	if status := a.revoke(t, "never issued"); status != http.StatusOK {
		t.Errorf("revocation of an unknown token answered %d, RFC 7009 wants 200", status)
	}
	if n := a.op.Counts().Revoked[first.RefreshToken]; n != 1 {
		t.Errorf("counted %d revocations", n)
	}
}

func TestRevocationOfAllOfAUser(t *testing.T) {
	a := start(t, testop.Config{RevokeUser: true})
	first, second, bobs := a.link(t, "alice"), a.link(t, "alice"), a.link(t, "bob")
	a.revoke(t, first.AccessToken)
	if a.live(t, first) || a.live(t, second) || !a.live(t, bobs) {
		t.Error("all of alice's grants end, and none of bob's")
	}
}

// live asks both of the provider's kinds of resource.
func (a *app) live(t *testing.T, tok *oauth2.Token) bool {
	t.Helper()
	status, _ := a.get(t, a.op.Endpoints().Accounts, tok.AccessToken)
	_, err := a.provider.UserInfo(a.ctx, oauth2.StaticTokenSource(tok))
	if (status == http.StatusOK) != (err == nil) {
		t.Errorf("accounts answered %d, userinfo %v", status, err)
	}
	return err == nil
}
