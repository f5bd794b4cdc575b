package providertest

import (
	"net/http"
	"testing"
	"time"
)

// subOf is who the code was given by.
func (b *bench) subOf(back Callback, err error) string {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	family, ok := b.FamilyOf(back.Code)
	if !ok {
		b.t.Fatalf("no code: %s %s", back.Error, back.Description)
	}
	return b.state(family).Sub
}

func TestALiveSessionAnswersForWhoeverSitsThere(t *testing.T) {
	b := start(t, Behaviour{SessionTTL: 14 * day})
	alices, ctx := NewBrowser(), t.Context()
	b.subOf(alices.Consent(ctx, b.authorizeURL(), "alice"))
	b.clock.Add(14*day - time.Second)
	for name, address := range map[string]string{
		"no prompt":   b.authorizeURL(),
		"prompt none": b.authorizeURL("prompt", "none"),
		"hint":        b.authorizeURL("login_hint", "bob"),
	} {
		if got := b.subOf(alices.Consent(ctx, address, "bob", Deny(""))); got != "alice" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := b.subOf(alices.Consent(ctx, b.authorizeURL("prompt", "consent"), "")); got != "alice" {
		t.Errorf("prompt consent: %s", got)
	}
	for _, prompt := range []string{"login", "select_account"} {
		if got := b.subOf(alices.Consent(ctx, b.authorizeURL("prompt", prompt), "bob")); got != "bob" {
			t.Errorf("prompt %s: %s", prompt, got)
		}
	}
	if got := b.subOf(alices.Consent(ctx, b.authorizeURL(), "")); got != "bob" {
		t.Errorf("after bob logged in: %s", got)
	}
}

func TestASessionEndsByTheClock(t *testing.T) {
	b := start(t, Behaviour{SessionTTL: 14 * day})
	browser, ctx := NewBrowser(), t.Context()
	b.subOf(browser.Consent(ctx, b.authorizeURL(), "alice"))
	b.clock.Add(14*day - time.Second)
	b.subOf(browser.Consent(ctx, b.authorizeURL(), "")) // prolongs nothing
	b.clock.Add(time.Second)
	back, err := browser.Consent(ctx, b.authorizeURL("prompt", "none"), "")
	if err != nil || back.Error != "login_required" {
		t.Fatalf("%+v %v", back, err)
	}
	if back, err := browser.Consent(ctx, b.authorizeURL(), ""); err == nil {
		t.Fatalf("sent to %s", back.URL)
	}
}

func TestALieAboutTheIssuerLogsInAllTheSame(t *testing.T) {
	b := start(t, Behaviour{SessionTTL: day})
	browser := NewBrowser()
	b.Script("op", Fault{Endpoint: AuthorizeEndpoint, When: After, Kind: WrongIssuer})
	b.subOf(browser.Consent(t.Context(), b.authorizeURL(), "alice"))
	if got := b.subOf(browser.Consent(t.Context(), b.authorizeURL(), "")); got != "alice" {
		t.Fatalf("logged in: %s", got)
	}
}

func TestABrowserIsLoggedInAtEachProviderByItself(t *testing.T) {
	s, err := Start(Config{Providers: map[string]Behaviour{"one": {SessionTTL: day}, "two": {SessionTTL: day}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b := &bench{Server: s, t: t}
	browser, people := NewBrowser(), map[string]string{"one": "alice", "two": "bob"}
	for provider, sub := range people {
		b.subOf(browser.Consent(t.Context(), b.authorizeURLAt(provider), sub))
	}
	for provider, sub := range people {
		if got := b.subOf(browser.Consent(t.Context(), b.authorizeURLAt(provider), "")); got != sub {
			t.Fatalf("logged in at %s: %s", provider, got)
		}
	}
}

func TestNoSessionsByDefaultAndNoneForOtherBrowsers(t *testing.T) {
	for name, behaviour := range map[string]Behaviour{"none kept": {}, "another browser": {SessionTTL: day}} {
		b := start(t, behaviour)
		browser := NewBrowser()
		b.subOf(browser.Consent(t.Context(), b.authorizeURL(), "alice"))
		if behaviour.SessionTTL > 0 {
			browser = NewBrowser()
		}
		if back, err := browser.Consent(t.Context(), b.authorizeURL("prompt", "none"), ""); err != nil || back.Error != "login_required" {
			t.Errorf("%s: %+v %v", name, back, err)
		}
	}
}

func TestWhoLogsInWithoutASession(t *testing.T) {
	b := start(t, Behaviour{})
	b.Login("op", "usual", WithScope("less"))
	if got := b.subOf(b.Consent(b.authorizeURL(), "")); got != "usual" {
		t.Errorf("nobody named: %s", got)
	}
	if back := b.mustConsent(b.authorizeURL(), "", Deny("")); back.Error != "access_denied" {
		t.Errorf("the decision got lost: %+v", back)
	}
	if got := b.subOf(b.Consent(b.authorizeURL("login_hint", "hinted"), "")); got != "hinted" {
		t.Errorf("hint: %s", got)
	}
	if got := b.subOf(b.Consent(b.authorizeURL("login_hint", "hinted"), "named")); got != "named" {
		t.Errorf("named beside a hint: %s", got)
	}
}

func TestAnyHTTPClientMayStandInForTheBrowser(t *testing.T) {
	b := start(t, Behaviour{})
	for value, want := range map[string]int{
		"zo%C3%AB+z": http.StatusFound, "%7B%22sub%22%3A%22zo%C3%AB+z%22%7D": http.StatusFound,
		"%zz": http.StatusBadRequest, "%7B": http.StatusBadRequest,
	} {
		req, err := http.NewRequest(http.MethodGet, b.authorizeURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "login="+value)
		a := do(b.http, req)
		if a.status != want {
			t.Fatalf("%s: answered %d %s", value, a.status, a.text)
		}
		if want != http.StatusFound {
			continue
		}
		to, err := (&http.Response{Header: a.header}).Location()
		if err != nil {
			t.Fatal(err)
		}
		if got := b.subOf(newCallback(to), nil); got != "zoë z" {
			t.Fatalf("%s: %q", value, got)
		}
	}
}

func TestHoldingsAreTheLoginsAndStayUntilNamedAgain(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	g := b.Issue("op", "alice", WithAccounts("a-1"), WithCustomer("c-1"), WithClaims(map[string]any{"tier": "gold"}))
	again := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code)
	accounts := b.Endpoints("op").AccountsURL
	if b.getWith(accounts, again.body.Access).text != b.getWith(accounts, g.Bearer).text || b.allClaims(again.body.ID)["tier"] != "gold" {
		t.Fatal("the same login has other accounts or claims")
	}
	none := b.redeem(b.mustConsent(b.authorizeURL(), "alice", WithAccounts()).Code)
	if got := b.getWith(accounts, none.body.Access).text; got != `{"accounts":[]}` {
		t.Fatalf("accounts %s", got)
	}
	if got := b.getWith(accounts, g.Bearer).text; got != `{"accounts":[{"accountId":"a-1"}]}` {
		t.Fatalf("an earlier grant's accounts are %s", got)
	}
}
