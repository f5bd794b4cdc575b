package providertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func TestAClientSecretIsChangedWhileTheServerRuns(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	old := b.Endpoints("op")
	fresh := old
	fresh.ClientSecret = "the new one of the two"
	try := func(at Endpoints) int {
		if a := post(b.http, at, refreshForm("unheard-of")); a.body.Error == "invalid_client" {
			return a.status
		}
		return 200
	}
	for _, step := range []struct {
		accepted       []string
		ofOld, ofFresh int
	}{
		{[]string{old.ClientSecret, fresh.ClientSecret}, 200, 200},
		{[]string{fresh.ClientSecret}, 401, 200},
		{nil, 401, 401},
		{[]string{old.ClientSecret}, 200, 401},
	} {
		b.SetSecrets("op", step.accepted...)
		if try(old) != step.ofOld || try(fresh) != step.ofFresh {
			t.Fatalf("with %d secrets: old %d, new %d", len(step.accepted), try(old), try(fresh))
		}
	}
	b.mustRefresh(g.RefreshToken) // an hour of a wrong secret costs nobody a token
	if !slices.Contains(b.Issued(), fresh.ClientSecret) {
		t.Fatal("a leak scan does not look for every secret")
	}
}

func TestAPublicClientNamesItself(t *testing.T) {
	b := start(t, Behaviour{AuthStyle: "none"})
	g, at := b.Issue("op", "alice"), b.Endpoints("op")
	b.mustRefuseClient(refreshForm(g.RefreshToken))
	form := refreshForm(g.RefreshToken)
	form.Set("client_id", at.ClientID)
	if a := post(b.http, at, form); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func (b *bench) mustRefuseClient(form url.Values) {
	b.t.Helper()
	if a := b.post(form); a.status != 401 || a.body.Error != "invalid_client" {
		b.t.Fatalf("answered %d %s, want 401 invalid_client", a.status, a.text)
	}
}

// assertion is one by key, changed from a good one.
func (b *bench) assertion(key crypto.Signer, change map[string]any) string {
	b.t.Helper()
	at, now := b.Endpoints("op"), b.clock.Now()
	claims := map[string]any{
		"iss": at.ClientID, "sub": at.ClientID, "aud": at.TokenURL, "jti": opaque(16),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	maps.Copy(claims, change)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func assertedForm(token, assertion string) url.Values {
	form := refreshForm(token)
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	return form
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAnAssertionIsGoodOnce(t *testing.T) {
	key := newECKey(t)
	b := start(t, Behaviour{AuthStyle: "private_key_jwt", ClientKey: key.Public()})
	g := b.Issue("op", "alice")
	assertion := b.assertion(key, nil)
	second := b.post(assertedForm(g.RefreshToken, assertion))
	if second.status != 200 {
		t.Fatalf("answered %d %s", second.status, second.text)
	}
	b.mustRefuseClient(assertedForm(second.body.Refresh, assertion))
	withIssuer := b.assertion(key, map[string]any{"aud": []string{"https://elsewhere.example", b.Endpoints("op").Issuer}})
	if a := b.post(assertedForm(second.body.Refresh, withIssuer)); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.outcomes(OK, Client, OK)
}

func TestAssertionsThatProveNothing(t *testing.T) {
	key := newECKey(t)
	b := start(t, Behaviour{AuthStyle: "private_key_jwt", ClientKey: key.Public()})
	g, now := b.Issue("op", "alice"), b.clock.Now()
	for name, change := range map[string]map[string]any{
		"issuer":   {"iss": "somebody"},
		"subject":  {"sub": "alice"},
		"audience": {"aud": "https://elsewhere.example/token"},
		"outlived": {"exp": now.Add(-time.Second).Unix()},
		"endless":  {"exp": nil},
		"early":    {"nbf": now.Add(time.Minute).Unix()},
		"no jti":   {"jti": ""},
	} {
		t.Run(name, func(t *testing.T) {
			b.mustRefuseClient(assertedForm(g.RefreshToken, b.assertion(key, change)))
		})
	}
	b.mustRefuseClient(assertedForm(g.RefreshToken, b.assertion(newECKey(t), nil)))
	b.mustRefuseClient(refreshForm(g.RefreshToken))
	otherType := assertedForm(g.RefreshToken, b.assertion(key, nil))
	otherType.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	b.mustRefuseClient(otherType)
	beside := assertedForm(g.RefreshToken, b.assertion(key, nil))
	beside.Set("client_secret", b.Endpoints("op").ClientSecret)
	b.mustRefuseClient(beside)
	if b.state(g.Family).Redeemed != 0 {
		t.Fatal("a token was consumed")
	}
}

func TestAssertionIDsAreForgottenWhenTheyAreNoUse(t *testing.T) {
	o, now := onceOnly{seen: map[string]time.Time{}}, newClock().Now()
	for range 10_000 {
		now = now.Add(time.Second)
		if id := opaque(16); !o.first(now, id, now.Add(time.Minute)) || o.first(now, id, now.Add(time.Minute)) {
			t.Fatal("an id is good once")
		}
	}
	if len(o.seen) > 300 {
		t.Fatalf("%d ids are kept for 60 that are good", len(o.seen))
	}
}
