package providertest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// allClaims are the token's, after the provider's own key verified it.
func (b *bench) allClaims(token string) map[string]any {
	b.t.Helper()
	b.claims(token)
	return readClaims(b.t, token)
}

// readClaims believes the token, as only a test may.
func readClaims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	var claims map[string]any
	if err := json.Unmarshal(decode(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func decode(t *testing.T, part string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verify is what a careful client does: signature, algorithm, iss, aud, exp; then
// nonce and sub.
func (b *bench) verify(raw, nonce, sub string) (why string) {
	b.t.Helper()
	found, err := b.relyingParty()
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := found.Verifier(&oidc.Config{ClientID: b.Endpoints("op").ClientID, Now: b.clock.Now}).Verify(b.t.Context(), raw)
	switch {
	case err != nil:
		return err.Error()
	case token.Nonce != nonce:
		return "nonce"
	case token.Subject != sub:
		return "sub"
	}
	return ""
}

// forgeries lists every lie about ID tokens and what a careful client finds.
var forgeries = map[Kind]string{
	OtherSubject: "sub", ForeignKey: "failed to verify", WrongIssuer: "issued by a different provider",
	WrongAudience: "expected audience", WrongNonce: "nonce", NoNonce: "nonce", ExpiredID: "expired",
	AlgNone: "malformed", PublicKeyHMAC: "malformed",
}

func TestACarefulClientFindsEachForgery(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		for kind, want := range forgeries {
			t.Run(alg+" "+kind.String(), func(t *testing.T) {
				b := start(t, Behaviour{IDTokens: true, Alg: alg})
				code := b.mustConsent(b.authorizeURL(), "alice").Code
				lie := Fault{When: After, Kind: kind}
				b.Script("op", lie, lie)
				first := b.redeem(code)
				second := b.mustRefresh(first.body.Refresh)
				for _, forged := range []string{first.body.ID, second.body.ID} {
					if why := b.verify(forged, "n-1", "alice"); !strings.Contains(why, want) {
						t.Errorf("found %q, want %q", why, want)
					}
				}
				third := b.mustRefresh(second.body.Refresh)
				if why := b.verify(third.body.ID, "n-1", "alice"); why != "" {
					t.Errorf("the truth is refused: %s", why)
				}
			})
		}
	}
}

func TestOtherSubjectMayBeOdd(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	b.Script("op", Fault{When: After, Kind: OtherSubject, Sub: OddSub})
	second := b.mustRefresh(b.Issue("op", "alice").RefreshToken)
	if got := b.allClaims(second.body.ID)["sub"]; got != OddSub || len([]rune(OddSub)) != 255 {
		t.Fatalf("sub of %d characters", len([]rune(OddSub)))
	}
}

func TestThePublicKeyVerifiesItsOwnHMAC(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	b.Script("op", Fault{When: After, Kind: PublicKeyHMAC})
	forged := b.mustRefresh(b.Issue("op", "alice").RefreshToken).body.ID
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(forged, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Verify(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err != nil {
		t.Fatalf("a careless client would not fall for it: %v", err)
	}
	if signed.Signatures[0].Header.KeyID != "RS256" {
		t.Fatal("it does not go under the right key's id")
	}
}

func TestAlgNoneHasNoSignature(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true})
	b.Script("op", Fault{When: After, Kind: AlgNone})
	forged := b.mustRefresh(b.Issue("op", "alice").RefreshToken).body.ID
	header, _, _ := strings.Cut(forged, ".")
	if got := string(decode(t, header)); got != `{"alg":"none","typ":"JWT"}` || !strings.HasSuffix(forged, ".") {
		t.Fatalf("header %s", got)
	}
	if readClaims(t, forged)["sub"] != "alice" {
		t.Fatal("the claims are not the grant's")
	}
}

func TestHS256IsForgedToo(t *testing.T) {
	for _, kind := range []Kind{ForeignKey, PublicKeyHMAC} {
		b := start(t, Behaviour{IDTokens: true, Alg: "HS256"})
		b.Script("op", Fault{When: After, Kind: kind})
		forged := b.mustRefresh(b.Issue("op", "alice").RefreshToken).body.ID
		signed, err := jose.ParseSignedCompact(forged, []jose.SignatureAlgorithm{jose.HS256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Verify([]byte(b.Endpoints("op").ClientSecret)); err == nil {
			t.Errorf("%s: the client secret verifies it", kind)
		}
	}
}

func TestForgedTokensAreInIssuedAndNoBearers(t *testing.T) {
	b := start(t, Behaviour{IDTokens: true, BearerID: true})
	b.Script("op", Fault{When: After, Kind: AlgNone})
	forged := b.mustRefresh(b.Issue("op", "alice").RefreshToken).body.ID
	if b.Alive(forged) || !strings.Contains(strings.Join(b.Issued(), "\n"), forged) {
		t.Fatal("alive, or not in Issued")
	}
}

func TestLiesWithoutAnIDTokenAreTheTruth(t *testing.T) {
	b := start(t, Behaviour{})
	g := b.Issue("op", "alice")
	for kind := range forgeries {
		b.Script("op", Fault{When: After, Kind: kind})
		a := b.mustRefresh(g.RefreshToken)
		if a.body.ID != "" || !b.Alive(a.body.Access) {
			t.Errorf("%s: answered %s", kind, a.text)
		}
		g.RefreshToken = a.body.Refresh
	}
}
