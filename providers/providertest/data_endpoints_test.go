package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

// accountsPage is the accounts endpoint's answer as a client reads it.
type accountsPage struct {
	Accounts []struct {
		ID string `json:"accountId"`
	} `json:"accounts"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
}

func (b *bench) accounts(address, bearer string) (ids []string, next string) {
	b.t.Helper()
	a := b.getWith(address, bearer)
	var page accountsPage
	if err := json.Unmarshal([]byte(a.text), &page); err != nil || a.status != 200 {
		b.t.Fatalf("answered %d %.100s %v", a.status, a.text, err)
	}
	for _, account := range page.Accounts {
		ids = append(ids, account.ID)
	}
	return ids, page.Links.Next
}

func TestAccountsComeInPages(t *testing.T) {
	for size, pages := range map[int]int{0: 1, 1: 5, 2: 3, 5: 1, 9: 1} {
		b := start(t, Behaviour{AccountsPage: size})
		want := []string{"e", "d", "c", "b", "a"}
		g := b.Issue("op", "alice", WithAccounts(want...))
		var got []string
		count := 0
		for next := b.Endpoints("op").AccountsURL; next != ""; count++ {
			var ids []string
			ids, next = b.accounts(next, g.Bearer)
			got = append(got, ids...)
		}
		if !slices.Equal(got, want) || count != pages {
			t.Errorf("pages of %d: %v on %d pages", size, got, count)
		}
	}
}

func TestOddOffsets(t *testing.T) {
	b := start(t, Behaviour{AccountsPage: 1})
	g := b.Issue("op", "alice", WithAccounts("a", "b"))
	at := b.Endpoints("op").AccountsURL
	if ids, next := b.accounts(at+"?offset=7", g.Bearer); len(ids) != 0 || next != "" {
		t.Fatalf("%v %s", ids, next)
	}
	for _, offset := range []string{"-1", "x", "99999999999999999999"} {
		if a := b.getWith(at+"?offset="+offset, g.Bearer); a.status != 400 {
			t.Errorf("offset %s: answered %d", offset, a.status)
		}
	}
}

func TestDataEndpointsAskForTheBearer(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, BearerID: true})
	g := b.Issue("op", "alice", WithCustomer("c"), WithClaims(map[string]any{"tier": "gold", "sub": "mallory"}))
	at := b.Endpoints("op")
	for _, address := range []string{at.AccountsURL, at.CustomerURL, at.UserinfoURL} {
		for _, bad := range []string{"", "unheard-of", g.AccessToken, g.RefreshToken} {
			if a := b.getWith(address, bad); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: answered %d", address, a.status)
			}
		}
		if a := b.getWith(address, g.Bearer); a.status != 200 {
			t.Errorf("%s: answered %d", address, a.status)
		}
	}
	if got := b.getWith(at.UserinfoURL, g.Bearer).text; got != `{"sub":"alice","tier":"gold"}` {
		t.Errorf("userinfo %s", got)
	}
	req, err := http.NewRequest(http.MethodGet, at.AccountsURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Basic "+g.Bearer)
	if a := do(b.http, req); a.status != 401 {
		t.Errorf("another scheme: answered %d", a.status)
	}
	b.Kill(g.Family)
	if a := b.getWith(at.AccountsURL, g.Bearer); a.status != 401 || b.state(g.Family).Denied != 1 || b.state(g.Family).Uses != 4 {
		t.Fatalf("answered %d, %+v", a.status, b.state(g.Family))
	}
	if a := b.getWith(at.CustomerURL, b.Issue("op", "bob").Bearer); a.status != 404 {
		t.Fatalf("nobody's customer: %d", a.status)
	}
}

func TestReadingAccountsIsAUseOfTheSuccessor(t *testing.T) {
	b := start(t, Behaviour{UntilSuccessorUsed: true})
	g := b.Issue("op", "alice")
	second := b.mustRefresh(g.RefreshToken)
	b.accounts(b.Endpoints("op").AccountsURL, second.body.Access)
	b.mustDie(g.RefreshToken)
}

func TestFaultsOfTheOtherEndpoints(t *testing.T) {
	for _, at := range []Endpoint{UserinfoEndpoint, AccountsEndpoint, CustomerEndpoint, DiscoveryEndpoint} {
		for _, each := range faults {
			for _, each.fault.When = range []When{Before, After} {
				each.fault.Endpoint = at
				t.Run(fmt.Sprint(at, " ", each.fault.String()), func(t *testing.T) {
					b := start(t, Behaviour{})
					g := b.Issue("op", "alice", WithCustomer("c"))
					b.Script("op", each.fault)
					b.mustRefresh(g.RefreshToken) // the token endpoint's requests pass by it
					if a := b.getWith(b.address(at), g.Bearer); !each.seen(a) {
						t.Fatalf("the client saw %d %s %v", a.status, a.text, a.err)
					}
					if a := b.getWith(b.address(at), g.Bearer); a.status != 200 {
						t.Fatalf("afterwards: %d", a.status)
					}
				})
			}
		}
	}
}

func (b *bench) address(at Endpoint) string {
	known := b.Endpoints("op")
	return map[Endpoint]string{
		UserinfoEndpoint: known.UserinfoURL, AccountsEndpoint: known.AccountsURL,
		CustomerEndpoint: known.CustomerURL, DiscoveryEndpoint: known.DiscoveryURL,
	}[at]
}

func TestAccountsThatHangUntilReleased(t *testing.T) {
	b := start(t, Behaviour{})
	one, two := b.Issue("op", "alice", WithAccounts("a")), b.Issue("op", "bob")
	hold, arrived := make(chan struct{}), make(chan Presentation)
	b.Script("op",
		Fault{Endpoint: AccountsEndpoint, Family: two.Family, Kind: Hang, Hold: hold, Arrived: arrived},
		Fault{Endpoint: AccountsEndpoint, Hold: hold, Arrived: arrived})
	at := b.Endpoints("op").AccountsURL
	late, never := make(chan answer, 1), make(chan answer, 1)
	go func() { late <- b.getWith(at, one.Bearer) }()
	if seen := <-arrived; seen.N != 0 || seen.Kind != "accounts" || seen.Family != one.Family || seen.Serial != 1 {
		t.Fatalf("arrived %+v", seen)
	}
	go func() { never <- b.getWith(at, two.Bearer) }()
	<-arrived
	close(hold)
	if a := <-late; a.status != 200 || !strings.Contains(a.text, `"a"`) {
		t.Fatalf("the late answer is %d %s %v", a.status, a.text, a.err)
	}
	if a := <-never; !errors.Is(a.err, io.EOF) {
		t.Fatalf("the client saw %d %v", a.status, a.err)
	}
	b.outcomes() // none of this is in the ledger
}

func TestManyAccountsAndPagesThatLeadAstray(t *testing.T) {
	b := start(t, Behaviour{AccountsPage: 2})
	g := b.Issue("op", "alice", WithAccounts("a", "b", "c"))
	lie := func(kind Kind, location string) Fault {
		return Fault{Endpoint: AccountsEndpoint, When: After, Kind: kind, Location: location}
	}
	b.Script("op", lie(ManyAccounts, ""), lie(NextPage, ""), lie(NextPage, "https://elsewhere.example/"))
	here := b.Endpoints("op").AccountsURL + "?offset=1"
	ids, next := b.accounts(here, g.Bearer)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 10_000 || next != "" {
		t.Fatalf("%d accounts, next %q", len(ids), next)
	}
	if ids, next := b.accounts(here, g.Bearer); next != here || !slices.Equal(ids, []string{"b", "c"}) {
		t.Fatalf("%v, next %q", ids, next)
	}
	if _, next := b.accounts(here, g.Bearer); next != "https://elsewhere.example/" {
		t.Fatalf("next %q", next)
	}
}

func TestUserinfoOfSomebodyElse(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	b.Script("op", Fault{Endpoint: UserinfoEndpoint, When: After, Kind: OtherSubject, Sub: "mallory"})
	if got := b.getWith(b.Endpoints("op").UserinfoURL, g.Bearer).text; got != `{"sub":"mallory"}` {
		t.Fatalf("userinfo %s", got)
	}
}

// relyingParty is an independent client that finds its way by discovery alone.
func (b *bench) relyingParty() (*oidc.Provider, error) {
	return oidc.NewProvider(oidc.ClientContext(b.t.Context(), b.http), b.Endpoints("op").Issuer)
}

func TestDiscovery(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, Alg: "ES256", OmitIss: true})
	found, err := b.relyingParty()
	if err != nil {
		t.Fatal(err)
	}
	at := b.Endpoints("op")
	if e := found.Endpoint(); e.AuthURL != at.AuthorizeURL || e.TokenURL != at.TokenURL || found.UserInfoEndpoint() != at.UserinfoURL {
		t.Fatalf("found %+v", e)
	}
	var more struct {
		Iss  bool     `json:"authorization_response_iss_parameter_supported"`
		PKCE []string `json:"code_challenge_methods_supported"`
	}
	if err := found.Claims(&more); err != nil || more.Iss || !slices.Equal(more.PKCE, []string{"S256"}) {
		t.Fatalf("found %+v, error %v", more, err)
	}
	b.Script("op", Fault{Endpoint: DiscoveryEndpoint, When: After, Kind: WrongIssuer})
	if _, err := b.relyingParty(); err == nil || !strings.Contains(err.Error(), wrongIssuer) {
		t.Fatalf("error %v", err)
	}
}

func TestReadsAreGETs(t *testing.T) {
	b := start(t, Behaviour{})
	at := b.Endpoints("op")
	for _, address := range []string{at.AuthorizeURL, at.AccountsURL, at.DiscoveryURL} {
		req, err := http.NewRequest(http.MethodPost, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := do(b.http, req); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: answered %d", address, a.status)
		}
	}
}
