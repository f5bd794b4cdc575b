package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestACodeIsBoundToRedirectAndVerifier(t *testing.T) {
	for name, test := range map[string]struct {
		redirect, verifier string
		want               Outcome
	}{
		"other redirect": {callback + "/", verifier, WrongRedirect},
		"no redirect":    {"", verifier, WrongRedirect},
		"other verifier": {callback, strings.Repeat("x", 43), WrongVerifier},
		"no verifier":    {callback, "", WrongVerifier},
		"challenge":      {callback, challenge, WrongVerifier},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, Behaviour{})
			code := b.mustConsent(b.authorizeURL(), "alice").Code
			if a := b.redeemWith(code, test.redirect, test.verifier); a.status != 400 || a.body.Error != "invalid_grant" {
				t.Fatalf("answered %d %s", a.status, a.text)
			}
			if a := b.redeem(code); a.status != 400 {
				t.Fatal("a code survived being shown without its proof")
			}
			b.outcomes(test.want, Dead)
			if b.Revoked() != 0 {
				t.Fatal("nothing was issued, so nothing was revoked")
			}
		})
	}
}

func TestAShortVerifierIsNoneEvenIfItFits(t *testing.T) {
	b := start(t, Behaviour{})
	short := "short"
	sum := sha256.Sum256([]byte(short))
	fits := base64.RawURLEncoding.EncodeToString(sum[:])
	code := b.mustConsent(b.authorizeURL("code_challenge", fits), "alice").Code
	b.redeemWith(code, callback, short)
	b.outcomes(WrongVerifier)
}

func TestAWrongProofNeedsTheClientFirst(t *testing.T) {
	b := start(t, Behaviour{CodeAuthStyle: "post"})
	code := b.mustConsent(b.authorizeURL(), "alice").Code
	at := b.Endpoints("op") // basic
	form := refreshForm("")
	form.Set("grant_type", KindCode)
	form.Set("code", code)
	if a := post(b.http, at, form); a.status != 401 {
		t.Fatalf("answered %d", a.status)
	}
	if a := b.redeem(code); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
	b.outcomes(Client, OK)
}

func TestABoundCodeThatComesBackRevokesWhatItGave(t *testing.T) {
	for name, again := range map[string]string{"with its verifier": verifier, "without": ""} {
		t.Run(name, func(t *testing.T) {
			b := start(t, Behaviour{})
			code := b.mustConsent(b.authorizeURL(), "alice").Code
			first := b.redeem(code)
			if a := b.redeemWith(code, callback, again); a.status != 400 || b.Alive(first.body.Access) {
				t.Fatalf("answered %d", a.status)
			}
			b.mustDie(first.body.Refresh)
			b.outcomes(OK, ReuseRevoked, Dead)
		})
	}
}

func TestACodeLostAfterItWasRedeemedIsSpent(t *testing.T) {
	b := start(t, Behaviour{})
	code := b.mustConsent(b.authorizeURL(), "alice").Code
	family, _ := b.FamilyOf(code)
	b.Script("op", Fault{When: After, Kind: CloseNoReply, Family: family})
	b.redeem(code)
	b.redeem(code)
	ledger, err := b.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	rows := ledger.Presentations(Filter{Family: family, Kind: KindCode})
	if len(rows) != 2 || rows[0].Serial != 0 || rows[0].Fault != "after close" || rows[0].Outcome != OK || rows[1].Outcome != ReuseRevoked {
		t.Fatalf("the ledger says %+v", rows)
	}
	if got := ledger.PerToken()[TokenKey{family, 0}]; got != 2 {
		t.Fatalf("presented %d times", got)
	}
}

func TestAnIssuedCodeIsGoodWithAnyProof(t *testing.T) {
	b := start(t, Behaviour{})
	code, _ := b.IssueCode("op", "alice")
	if a := b.redeem(code); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.text)
	}
}

func TestCodesEnd(t *testing.T) {
	b := start(t, Behaviour{CodeTTL: time.Minute})
	code := b.mustConsent(b.authorizeURL(), "alice").Code
	b.clock.Add(time.Minute)
	b.redeem(code)
	b.outcomes(Dead)
}

func TestLeakScansKnowCodesSessionsAndVerifiers(t *testing.T) {
	b := start(t, Behaviour{SessionTTL: day})
	used, unused := b.mustConsent(b.authorizeURL(), "alice").Code, b.mustConsent(b.authorizeURL(), "bob").Code
	b.redeem(used)
	issued := b.Issued()
	if !slices.Contains(issued, used) || !slices.Contains(issued, unused) {
		t.Fatal("a code is missing from Issued")
	}
	b.provider("op").sessions.Range(func(id, _ any) bool {
		if !slices.Contains(issued, id.(string)) {
			t.Fatal("a session is missing from Issued")
		}
		return true
	})
	if got := b.Seen(); !slices.Equal(got, []string{verifier}) {
		t.Fatalf("%d verifiers seen, want the one", len(got))
	}
}

func TestANewGrantEndsEarlierBearersOnly(t *testing.T) {
	b := start(t, Behaviour{EarlierBearersDie: true})
	first, other := b.Issue("op", "alice"), b.Issue("op", "bob")
	second := b.redeem(b.mustConsent(b.authorizeURL(), "alice").Code)
	if b.Alive(first.Bearer) || !b.Alive(second.body.Access) || !b.Alive(other.Bearer) {
		t.Fatal("the earlier bearers of the subject, and nothing else")
	}
	if a := b.mustRefresh(first.RefreshToken); !b.Alive(a.body.Access) || !b.Alive(second.body.Access) {
		t.Fatal("the earlier refresh token stays good")
	}
}

func TestSingleGrantEndsEarlierFamiliesWhenTheCodeIsRedeemed(t *testing.T) {
	b := start(t, Behaviour{SingleGrant: true})
	first := b.Issue("op", "alice")
	code := b.mustConsent(b.authorizeURL(), "alice").Code
	if !b.Alive(first.Bearer) {
		t.Fatal("an unredeemed code ended the grant")
	}
	b.redeem(code)
	if b.Alive(first.Bearer) || !b.state(first.Family).Killed {
		t.Fatal("two grants of one subject")
	}
}

func TestTwoConsentsToOneLoginAtOnceLeaveOneGrant(t *testing.T) {
	b := start(t, Behaviour{SingleGrant: true})
	var families []string
	done := make(chan answer)
	for range 8 {
		code := b.mustConsent(b.authorizeURL(), "alice").Code
		family, _ := b.FamilyOf(code)
		families = append(families, family)
		go func() { done <- b.redeem(code) }()
	}
	for range families {
		if a := <-done; a.status != 200 {
			t.Errorf("answered %d %s %v", a.status, a.text, a.err)
		}
	}
	live := 0
	for _, family := range families {
		live += b.state(family).LiveBearers
	}
	if live != 1 {
		t.Fatalf("%d live grants, want 1", live)
	}
}
