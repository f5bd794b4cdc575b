package providertest

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

const password = "correct horse battery staple"

func passwordForm(login, password string) url.Values {
	return url.Values{"grant_type": {"password"}, "username": {login}, "password": {password}}
}

func keyForm(key string) url.Values {
	return url.Values{"grant_type": {"api_key"}, "api_key": {key}}
}

// mustBegin expects tokens.
func (b *bench) mustBegin(form url.Values) answer {
	b.t.Helper()
	a := b.post(form)
	if a.status != 200 || !b.Alive(a.body.Access) {
		b.t.Fatalf("%s answered %d %s", form.Get("grant_type"), a.status, a.text)
	}
	return a
}

// mustRefuse expects RFC 6749, 5.2.
func (b *bench) mustRefuse(form url.Values, code string) {
	b.t.Helper()
	if a := b.post(form); a.status != 400 || a.body.Error != code {
		b.t.Fatalf("%s answered %d %s, want 400 %s", form.Get("grant_type"), a.status, a.text, code)
	}
}

func TestAPasswordBeginsAFamilyEachTime(t *testing.T) {
	b := start(t, Behaviour{Password: true, Users: map[string]string{"alice": password}})
	first, second := b.mustBegin(passwordForm("alice", password)), b.mustBegin(passwordForm("alice", password))
	one, _ := b.FamilyOf(first.body.Access)
	two, _ := b.FamilyOf(second.body.Access)
	if one == two || b.state(one).Sub != "alice" {
		t.Fatalf("families %s and %s", one, two)
	}
	b.mustRefresh(first.body.Refresh)
	b.SetPassword("op", "alice", "another")
	b.mustRefuse(passwordForm("alice", password), "invalid_grant")
	b.mustRefuse(passwordForm("mallory", ""), "invalid_request")
	b.mustRefuse(passwordForm("mallory", "another"), "invalid_grant")
	b.mustBegin(passwordForm("alice", "another"))
	b.outcomes(OK, OK, OK, Refused, Malformed, Refused, OK)
}

func TestAnAPIKeyBeginsAFamilyUntilItIsRevoked(t *testing.T) {
	b := start(t, Behaviour{APIKeys: true})
	key := b.IssueAPIKey("op", "alice")
	b.mustRefresh(b.mustBegin(keyForm(key)).body.Refresh)
	b.mustBegin(keyForm(key))
	if !b.RevokeAPIKey("op", key) || b.RevokeAPIKey("op", key) {
		t.Fatal("a key is revoked once")
	}
	b.mustRefuse(keyForm(key), "invalid_grant")
	b.mustRefuse(keyForm(""), "invalid_request")
	b.outcomes(OK, OK, OK, Refused, Malformed)
}

func TestAnAPIKeyGoesByTheProvidersOwnNames(t *testing.T) {
	b := start(t, Behaviour{APIKeys: true, APIKeyGrant: "urn:vendor:key", APIKeyParam: "token"})
	key := b.IssueAPIKey("op", "alice")
	b.mustBegin(url.Values{"grant_type": {"urn:vendor:key"}, "token": {key}})
	b.mustRefuse(keyForm(key), "unsupported_grant_type")
	if kind := b.presentations()[0].Kind; kind != KindAPIKey {
		t.Fatalf("kind %s", kind)
	}
}

func TestClientCredentialsGiveABearerAlone(t *testing.T) {
	b := start(t, Behaviour{ClientCredentials: true})
	a := b.mustBegin(url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}})
	if a.body.Refresh != "" || a.body.Scope != "read" {
		t.Fatalf("answered %s", a.text)
	}
	family, _ := b.FamilyOf(a.body.Access)
	if sub := b.state(family).Sub; sub != b.Endpoints("op").ClientID {
		t.Fatalf("a bearer of %s", sub)
	}
}

func TestALoginCarriesNothingAlongThatOutlivedItself(t *testing.T) {
	b := start(t, Behaviour{ClientCredentials: true, AccessTTL: time.Hour})
	for range 20 {
		b.mustBegin(url.Values{"grant_type": {"client_credentials"}})
		b.clock.Add(time.Hour)
	}
	owner, _ := b.provider("op").accounts.Load(b.Endpoints("op").ClientID)
	if held := len(owner.(*account).families); held != 1 {
		t.Fatalf("%d grants are held for one bearer", held)
	}
}

func TestGrantsThatAreNotSwitchedOnAreNotSupported(t *testing.T) {
	b := start(t, Behaviour{Users: map[string]string{"alice": password}})
	b.mustRefuse(passwordForm("alice", password), "unsupported_grant_type")
	b.mustRefuse(keyForm(b.IssueAPIKey("op", "alice")), "unsupported_grant_type")
	b.mustRefuse(url.Values{"grant_type": {"client_credentials"}}, "unsupported_grant_type")
}

func TestALoginNeedsTheClientFirst(t *testing.T) {
	b := start(t, Behaviour{Password: true, Users: map[string]string{"alice": password}})
	at := b.Endpoints("op")
	at.ClientSecret = "wrong"
	if a := post(b.http, at, passwordForm("alice", password)); a.status != 401 || a.body.Error != "invalid_client" {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.outcomes(Client)
}

func TestTheLedgerNamesLoginsAndHoldsNoCredential(t *testing.T) {
	b := start(t, Behaviour{Password: true, APIKeys: true, ClientCredentials: true, Users: map[string]string{"alice": password}})
	key := b.IssueAPIKey("op", "bob")
	for _, form := range []url.Values{passwordForm("alice", password), keyForm(key), {"grant_type": {"client_credentials"}}} {
		family, _ := b.FamilyOf(b.mustBegin(form).body.Access)
		if last := b.last(); last.Family != family || last.Kind != form.Get("grant_type") || last.Sub != b.state(family).Sub || last.Token != "" {
			t.Fatalf("recorded as %+v, began %s", last, family)
		}
	}
	b.mustRefuse(passwordForm("alice", "a wrong password"), "invalid_grant")
	b.mustBeAbsent(password, key, "a wrong password", secret.New(password).Fingerprint())
	ledger, err := b.Ledger()
	if err != nil || len(ledger.PerToken()) != 0 {
		t.Fatalf("what may be shown again is counted like a token: %v %v", ledger.PerToken(), err)
	}
	for _, shown := range []string{password, key} {
		if !slices.Contains(b.Issued(), shown) || !slices.Contains(b.Seen(), shown) {
			t.Fatal("a leak scan does not look for every password and key")
		}
	}
	if !slices.Contains(b.Seen(), "a wrong password") {
		t.Fatal("a leak scan does not look for wrong passwords")
	}
}

func TestALoginWhoseAnswerIsLostHasBegunItsFamily(t *testing.T) {
	b := start(t, Behaviour{Password: true, Users: map[string]string{"alice": password}})
	b.Script("op", Fault{When: After, Kind: CloseNoReply})
	if a := b.post(passwordForm("alice", password)); a.err == nil {
		t.Fatalf("answered %d", a.status)
	}
	if last := b.last(); last.Outcome != OK || b.state(last.Family).LiveBearers != 1 {
		t.Fatalf("recorded as %+v", last)
	}
}

func (b *bench) presentations() []Presentation {
	b.t.Helper()
	ledger, err := b.Ledger()
	if err != nil {
		b.t.Fatal(err)
	}
	return ledger.Presentations(Filter{})
}

func (b *bench) last() Presentation {
	b.t.Helper()
	all := b.presentations()
	return all[len(all)-1]
}

// mustBeAbsent looks through the ledger's file.
func (b *bench) mustBeAbsent(secrets ...string) {
	b.t.Helper()
	text, err := os.ReadFile(b.LedgerPath())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, each := range secrets {
		if strings.Contains(string(text), each) {
			b.t.Fatalf("the ledger holds %q", each)
		}
	}
}
