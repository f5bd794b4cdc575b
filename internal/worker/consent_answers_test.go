package worker_test

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/regrant/regrant/api"
	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/providers/providertest"
)

// answer is a consent whose input is good, and what became of it at the provider.
type answer struct {
	name    string
	at      string // the provider; left out: op
	options []providertest.ConsentOption
	// bend changes the authorize URL before the browser opens it; forge the input
	// that comes back; fault strikes the requests of this consent's grant.
	bend   func(url.Values)
	forge  func(*round)
	stage  func(*round)
	faults []providertest.Fault

	// event is what is told, with the reason of a failure, or why the accounts of a
	// good consent are not known.
	event  events.Name
	reason string
	// spared: no code was presented. Otherwise one was, once, with this outcome at the
	// provider where it is given.
	spared  bool
	outcome providertest.Outcome
}

const (
	failed  = events.NameConsentFailed
	rotated = events.NameTokenRotated
)

func after(kind providertest.Kind) []providertest.Fault {
	return []providertest.Fault{{When: providertest.After, Kind: kind}}
}

func before(kind providertest.Kind) []providertest.Fault {
	return []providertest.Fault{{Kind: kind}}
}

func claims(name string, value any) []providertest.ConsentOption {
	return []providertest.ConsentOption{providertest.WithClaims(map[string]any{name: value})}
}

func refusal(status int, code string) []providertest.Fault {
	return []providertest.Fault{{Kind: providertest.ErrorReply, Status: status, Code: code}}
}

// reading is a fault at an endpoint other than the token endpoint, as often as it
// is asked.
func reading(at providertest.Endpoint, times int, f providertest.Fault) []providertest.Fault {
	f.Endpoint = at
	all := make([]providertest.Fault, times)
	for i := range all {
		all[i] = f
	}
	return all
}

func accounts(times int, f providertest.Fault) []providertest.Fault {
	return reading(providertest.AccountsEndpoint, times, f)
}

func customer(f providertest.Fault) []providertest.Fault {
	return reading(providertest.CustomerEndpoint, 1, f)
}

func userinfo(f providertest.Fault) []providertest.Fault {
	return reading(providertest.UserinfoEndpoint, 1, f)
}

var answers = []answer{
	// The redirect.
	{name: "the user says no", options: []providertest.ConsentOption{providertest.Deny("")}, event: failed, reason: events.ConsentAccessDenied, spared: true},
	{name: "an error of OpenID Connect", options: []providertest.ConsentOption{providertest.Deny("login_required")}, event: failed, reason: "login_required", spared: true},
	{name: "an error of nobody's list", options: []providertest.ConsentOption{providertest.Deny("user_went_home")}, event: failed, reason: events.ConsentRefused, spared: true},
	{name: "an error that is no word of events", options: []providertest.ConsentOption{providertest.Deny("Not-A.Word:Of_Ours")}, event: failed, reason: events.ConsentRefused, spared: true},
	{name: "an error that passes for a reason of ours", options: []providertest.ConsentOption{providertest.Deny(events.ConsentOutcomeUnknown)}, event: failed, reason: events.ConsentRefused, spared: true},

	// The code.
	{name: "a code that nobody issued", forge: put("code", "forged-code-of-nobody"), event: failed, reason: events.ConsentCodeRejected, outcome: providertest.Refused},
	{name: "a code of somebody else's flow", forge: injected, event: failed, reason: events.ConsentCodeRejected, outcome: providertest.WrongVerifier},
	{name: "a code for another redirect URI", bend: func(q url.Values) { q.Set("redirect_uri", redirectURI+"/evil") }, event: failed, reason: events.ConsentCodeRejected, outcome: providertest.WrongRedirect},
	{name: "a code for another verifier", bend: func(q url.Values) { q.Set("code_challenge", strings.Repeat("A", 43)) }, event: failed, reason: events.ConsentCodeRejected, outcome: providertest.WrongVerifier},
	{name: "invalid_grant", faults: refusal(http.StatusBadRequest, "invalid_grant"), event: failed, reason: events.ConsentCodeRejected},
	{name: "an error that nothing tells to be ours", faults: refusal(http.StatusBadRequest, "invalid_request"), event: failed, reason: events.ConsentCodeRejected},
	{name: "invalid_client", faults: refusal(http.StatusUnauthorized, "invalid_client"), event: failed, reason: events.ConsentOurFault},
	{name: "a redirect of the code", faults: before(providertest.Redirect), event: failed, reason: events.ConsentOurFault},
	{name: "429", faults: before(providertest.Status429), event: failed, reason: events.ConsentRefused},
	{name: "temporarily_unavailable", faults: refusal(http.StatusBadRequest, "temporarily_unavailable"), event: failed, reason: events.ConsentRefused},
	{name: "500 before the code is spent", faults: before(providertest.Status500), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "500 after", faults: after(providertest.Status500), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "a reset before the code is spent", faults: before(providertest.Reset), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "a reset after", faults: after(providertest.Reset), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "an end without an answer", faults: after(providertest.CloseNoReply), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "half an answer", faults: after(providertest.Truncate), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "a page for people", faults: after(providertest.Garbage), event: failed, reason: events.ConsentOutcomeUnknown},
	{name: "no answer", faults: after(providertest.Hang), event: failed, reason: events.ConsentOutcomeUnknown},

	// The ID token.
	{name: "a wrong nonce", faults: after(providertest.WrongNonce), event: failed, reason: events.ConsentWrongNonce},
	{name: "no nonce", faults: after(providertest.NoNonce), event: failed, reason: events.ConsentWrongNonce},
	{name: "a nonce bent on the way", bend: func(q url.Values) { q.Set("nonce", "bent") }, event: failed, reason: events.ConsentWrongNonce},
	{name: "a wrong issuer", faults: after(providertest.WrongIssuer), event: failed, reason: events.ConsentWrongIssuer},
	{name: "a wrong audience", faults: after(providertest.WrongAudience), event: failed, reason: events.ConsentWrongAudience},
	{name: "issued to another client", options: claims("azp", "another"), event: failed, reason: events.ConsentWrongParty},
	{name: "expired", faults: after(providertest.ExpiredID), event: failed, reason: events.ConsentExpired},
	{name: "not valid yet", options: claims("nbf", 4102444800), event: failed, reason: events.ConsentNotYetValid},
	{name: "alg none", faults: after(providertest.AlgNone), event: failed, reason: events.ConsentWrongAlgorithm},
	{name: "the public key as a secret, RS256 pinned", faults: after(providertest.PublicKeyHMAC), event: failed, reason: events.ConsentWrongAlgorithm},
	{name: "the public key as a secret, HS256 pinned too", at: "mixed", faults: after(providertest.PublicKeyHMAC), event: failed, reason: events.ConsentWrongSignature},
	{name: "a foreign key under the right id", faults: after(providertest.ForeignKey), event: failed, reason: events.ConsentWrongSignature},
	{name: "of another access token", options: claims("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), event: failed, reason: events.ConsentAtHash},
	{name: "none where there must be one", at: "bare", event: failed, reason: events.ConsentMissing},
	{name: "a subject of 256 characters", faults: []providertest.Fault{{When: providertest.After, Kind: providertest.OtherSubject, Sub: strings.Repeat("s", 256)}}, event: failed, reason: events.ConsentMalformed},
	{name: "a subject that a parser could not read", faults: []providertest.Fault{{When: providertest.After, Kind: providertest.OtherSubject, Sub: providertest.OddSub}}, event: failed, reason: events.ConsentMalformed},
	{name: "staged: no subject", at: "mixed", stage: minted(func(c map[string]any) { delete(c, "sub") }), event: failed, reason: events.ConsentNoSubject, spared: true},
	{name: "staged: several audiences", at: "mixed", stage: minted(func(c map[string]any) { c["aud"] = []any{c["aud"], "another"} }), event: failed, reason: events.ConsentWrongParty, spared: true},
	{name: "staged: no end", at: "mixed", stage: minted(func(c map[string]any) { delete(c, "exp") }), event: failed, reason: events.ConsentMalformed, spared: true},
	{name: "staged: no ID token", stage: func(r *round) { r.stage(func(in *api.Stage) { in.IDToken = "" }) }, event: failed, reason: events.ConsentMissing, spared: true},
	{name: "staged: another nonce", stage: func(r *round) { r.stage(func(in *api.Stage) { in.Nonce = "another" }) }, event: failed, reason: events.ConsentWrongNonce, spared: true},
	{name: "staged: no JWT", stage: func(r *round) { r.stage(func(in *api.Stage) { in.IDToken = "a.b" }) }, event: failed, reason: events.ConsentMalformed, spared: true},

	// Whose login it is, where no ID token tells.
	{name: "userinfo refuses the token", at: "plain", faults: userinfo(providertest.Fault{Kind: providertest.ErrorReply, Status: http.StatusUnauthorized}), event: failed, reason: events.ConsentRefused},
	{name: "userinfo is a page for people", at: "plain", faults: userinfo(providertest.Fault{Kind: providertest.Garbage}), event: failed, reason: events.ConsentMalformed},
	{name: "userinfo names 256 characters", at: "plain", faults: userinfo(providertest.Fault{When: providertest.After, Kind: providertest.OtherSubject, Sub: strings.Repeat("s", 256)}), event: failed, reason: events.ConsentMalformed},
	{name: "userinfo fails at first", at: "plain", faults: userinfo(providertest.Fault{Kind: providertest.Status500}), event: rotated},

	// What the login reaches: the consent is good, and the tokens before it may be dead.
	{name: "accounts fail", faults: accounts(3, providertest.Fault{Kind: providertest.Status500}), event: rotated, reason: events.AccountsUnreachable},
	{name: "accounts fail at first", faults: accounts(2, providertest.Fault{Kind: providertest.Reset}), event: rotated},
	{name: "accounts hang", faults: accounts(3, providertest.Fault{Kind: providertest.Hang}), event: rotated, reason: events.AccountsUnreachable},
	{name: "accounts are a page for people", faults: accounts(1, providertest.Fault{Kind: providertest.Garbage}), event: rotated, reason: events.AccountsMalformed},
	{name: "accounts refuse the token", faults: accounts(1, providertest.Fault{Kind: providertest.ErrorReply, Status: http.StatusUnauthorized}), event: rotated, reason: events.AccountsRefused},
	{name: "accounts send elsewhere", faults: accounts(1, providertest.Fault{Kind: providertest.Redirect}), event: rotated, reason: events.AccountsRefused},
	{name: "10,000 accounts", faults: accounts(1, providertest.Fault{When: providertest.After, Kind: providertest.ManyAccounts}), event: rotated, reason: events.AccountsTooMany},
	{name: "pages in a circle", faults: accounts(2, providertest.Fault{When: providertest.After, Kind: providertest.NextPage}), event: rotated, reason: events.AccountsMalformed},
	{name: "the next page at another host", faults: accounts(1, providertest.Fault{When: providertest.After, Kind: providertest.NextPage, Location: "http://127.0.0.2:1/"}), event: rotated, reason: events.AccountsMalformed},
	{name: "the customer fails", faults: customer(providertest.Fault{Kind: providertest.Status500}), event: rotated},
	{name: "the customer hangs", faults: customer(providertest.Fault{Kind: providertest.Hang}), event: rotated},
	{name: "the customer is a page for people", faults: customer(providertest.Fault{Kind: providertest.Garbage}), event: rotated},
}

// injected puts a code into the input that was given for another flow.
func injected(r *round) {
	attacker := r.begin(r.t, r.address.Provider, nil)
	r.data["code"] = attacker.data["code"]
}

// minted stages an ID token that is signed with the client secret, as the provider
// might, and says what it should not.
func minted(spoil func(map[string]any)) func(*round) {
	return func(r *round) {
		at := r.Sim.Endpoints(r.address.Provider)
		claims := map[string]any{"iss": at.Issuer, "aud": at.ClientID, "sub": r.link.Sub, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
		spoil(claims)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(at.ClientSecret)}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			r.t.Fatal(err)
		}
		r.stage(func(in *api.Stage) { in.IDToken = api.Secret(token) })
	}
}

func (row answer) run(t *testing.T, s *stack) {
	r := s.standing(t, cmp.Or(row.at, "op"))
	if row.stage != nil {
		row.stage(r)
	} else {
		r.consent(r.link.Sub, row.bend, row.options...)
	}
	if row.forge != nil {
		row.forge(r)
	}
	code, _ := r.data["code"].(string)
	if family, ok := s.Sim.FamilyOf(code); ok {
		for _, f := range row.faults {
			f.Family = family
			s.Sim.Script(r.address.Provider, f)
		}
	}
	was := link(t, s.Cell, r.link.Address)
	got := r.told(r.address, r.send())
	if got.name != row.event || got.Reason+got.AccountsUnknown != row.reason {
		t.Errorf("told %s %q, want %s %q", got.name, got.Reason+got.AccountsUnknown, row.event, row.reason)
	}
	row.check(r, was)
	row.checkCode(r, code)
	r.refreshes(r.address)
}

// checkCode fails unless the provider saw the code as often, and took it as, it should.
func (row answer) checkCode(r *round, code string) {
	r.t.Helper()
	seen := r.shown(code)
	switch {
	case row.spared && len(seen) == 0:
	case row.spared || len(seen) != 1:
		r.t.Errorf("%d presentations of the code, spared: %t", len(seen), row.spared)
	case row.outcome != "" && seen[0].Outcome != row.outcome:
		r.t.Errorf("the code was %s, want %s", seen[0].Outcome, row.outcome)
	}
}

// check looks at the link and the flow as the event found them.
func (row answer) check(r *round, was links.Link) {
	r.t.Helper()
	if row.event == rotated {
		is := r.serves(was, 1)
		if is.AccountsUnknown != row.reason {
			r.t.Errorf("the record says of its accounts %q, want %q", is.AccountsUnknown, row.reason)
		}
		return
	}
	r.serves(was, 0)
	f := r.flow()
	if f.Status != consents.Failed || f.Reason != row.reason {
		r.t.Errorf("the flow is %s for %q, want failed for %q", f.Status, f.Reason, row.reason)
	}
	if kept := len(f.Answer) + len(f.Tokens); kept > 0 {
		r.t.Errorf("%d bytes of tokens that prove nothing were kept", kept)
	}
}
