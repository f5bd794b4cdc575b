package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/regrant/regrant/secret"
)

const at = "at-canary-3c"

// reasonOf is the reason of a Rejection, which must be an ErrHostile.
func reasonOf(err error) string {
	var r *Rejection
	if !errors.As(err, &r) || !errors.Is(err, ErrHostile) {
		return ""
	}
	return r.Reason
}

// Each thing that can be wrong with an ID token has a reason of its own.
func TestVerifyCodeReasons(t *testing.T) {
	i, stranger := newIssuer(t), newIssuer(t)
	p := verifier(t, i, nil)
	nonce := func(c claims) claims {
		all := standard(claims{"nonce": "n-1"})
		for k, v := range c {
			if all[k] = v; v == nil {
				delete(all, k)
			}
		}
		return all
	}
	rs := func(c claims) secret.Value { return sign(t, jose.RS256, "r", i.rsa, nonce(c)) }
	now := time.Now()
	for name, c := range map[string]struct {
		token secret.Value
		want  string
	}{
		"good":                      {rs(nil), ""},
		"good, by client secret":    {sign(t, jose.HS256, "", []byte(secretCanary), nonce(claims{"at_hash": atHash("HS256", at)})), ""},
		"good, with at_hash":        {rs(claims{"at_hash": atHash("RS256", at)}), ""},
		"other nonce":               {rs(claims{"nonce": "n-2"}), ReasonWrongNonce},
		"no nonce":                  {rs(claims{"nonce": nil}), ReasonWrongNonce},
		"other issuer":              {rs(claims{"iss": "https://evil.example"}), ReasonWrongIssuer},
		"no issuer":                 {rs(claims{"iss": nil}), ReasonWrongIssuer},
		"issuer of another name":    {rs(claims{"iss": nil, "ISS": login.Issuer}), ReasonWrongIssuer},
		"other audience":            {rs(claims{"aud": "client-2"}), ReasonWrongAudience},
		"no audience":               {rs(claims{"aud": nil}), ReasonWrongAudience},
		"empty audience":            {rs(claims{"aud": []string{}}), ReasonWrongAudience},
		"other party":               {rs(claims{"azp": "client-2"}), ReasonWrongParty},
		"two audiences, no party":   {rs(claims{"aud": []string{"client-1", "client-2"}}), ReasonWrongParty},
		"expired":                   {rs(claims{"exp": now.Add(-time.Hour).Unix()}), ReasonExpired},
		"not yet valid":             {rs(claims{"nbf": now.Add(time.Hour).Unix()}), ReasonNotYetValid},
		"no exp":                    {rs(claims{"exp": nil}), ReasonMalformed},
		"exp in words":              {rs(claims{"exp": "tomorrow"}), ReasonMalformed},
		"exp beyond time":           {rs(claims{"exp": 1e300}), ReasonMalformed},
		"issuer a number":           {rs(claims{"iss": 7}), ReasonMalformed},
		"audience an object":        {rs(claims{"aud": claims{"a": "b"}}), ReasonMalformed},
		"no subject":                {rs(claims{"sub": nil}), ReasonNoSubject},
		"null subject":              {rs(claims{"sub": json.RawMessage("null")}), ReasonNoSubject},
		"empty subject":             {rs(claims{"sub": ""}), ReasonNoSubject},
		"subject of another name":   {rs(claims{"sub": nil, "Sub": "sub-1"}), ReasonNoSubject},
		"subject a number":          {rs(claims{"sub": 7}), ReasonMalformed},
		"subject of 256":            {rs(claims{"sub": strings.Repeat("ü", 256)}), ReasonMalformed},
		"subject with half a pair":  {rs(claims{"sub": json.RawMessage(`"a\ud800"`)}), ReasonMalformed},
		"algorithm not pinned":      {sign(t, jose.ES256, "e", i.ec, nonce(nil)), ReasonWrongAlgorithm},
		"unsigned":                  {secret.New(unsigned(nonce(nil))), ReasonWrongAlgorithm},
		"another's key":             {sign(t, jose.RS256, "r", stranger.rsa, nonce(nil)), ReasonWrongSignature},
		"another's key, unknown id": {sign(t, jose.RS256, "z", stranger.rsa, nonce(nil)), ReasonWrongSignature},
		"another secret":            {sign(t, jose.HS256, "", []byte(strings.Repeat("x", 32)), nonce(nil)), ReasonWrongSignature},
		"not a JWT":                 {secret.New(canary), ReasonMalformed},
		"cut":                       {secret.New(rs(nil).Reveal()[:100]), ReasonMalformed},
		"at_hash of another token":  {rs(claims{"at_hash": atHash("RS256", "other")}), ReasonAtHash},
		"at_hash a number":          {rs(claims{"at_hash": 7}), ReasonMalformed},
	} {
		v, err := p.VerifyCode(t.Context(), &Answer{AccessToken: secret.New(at), IDToken: c.token}, "n-1")
		if reasonOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if (v.Identity == login) != (err == nil) || v.Comparison != ComparisonUnknown {
			t.Errorf("%s: %q", name, v.Identity.Subject)
		}
		if err != nil {
			for _, leak := range []string{"sub-1", "n-1", "n-2", canary, "evil", "client-2", at, c.token.Reveal()} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("%s: the error names %s: %v", name, leak, err)
				}
			}
		}
	}
}

func TestStagedTokensHaveNoNonce(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	a := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(claims{"nonce": "theirs", "at_hash": "x"}))}
	if v, err := p.VerifyCode(t.Context(), a, ""); err != nil || v.Identity != login {
		t.Fatal(err)
	}
}

func TestAtHashFollowsTheAlgorithm(t *testing.T) {
	// OIDC Core, A.3, has this pair.
	if got := atHash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Error(got)
	}
	for alg, length := range map[string]int{"ES384": 32, "PS512": 43, "EdDSA": 43} {
		if got := atHash(alg, at); len(got) != length {
			t.Errorf("%s: %d", alg, len(got))
		}
	}
}

func TestVerifySaysWhatChanged(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	a := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(nil))}
	for want, known := range map[string]Identity{
		ReasonSubjectChanged: {login.Issuer, "sub-2", "client-1"}, ReasonIssuerChanged: {"https://was.example", "sub-1", "client-1"},
	} {
		if _, err := p.Verify(t.Context(), a, known); reasonOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// `sub` is an opaque text (OIDC Core, 2), and 255 characters of it are a login.
func TestOddSubjects(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	for _, sub := range []string{
		strings.Repeat("x", 255), strings.Repeat("ü", 255), strings.Repeat("🂡", 255), `"quoted" and \back`, " ", "a b\tc\n", "a\x00b", "../..", "*.>", "\u202e", "e\u0301", "é",
	} {
		a := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(claims{"sub": sub}))}
		v, err := p.VerifyCode(t.Context(), a, "")
		if err != nil || v.Identity.Subject != sub {
			t.Errorf("%q: %q, %v", sub, v.Identity.Subject, err)
		}
	}
}

// Bytes that are no UTF-8 become one and the same character in encoding/json.
func TestSubjectsThatWouldBecomeOneAreRefused(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.rsa, KeyID: "r"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Sign(fmt.Appendf(nil, `{"iss":%q,"aud":"client-1","exp":%d,"sub":"a%s"}`, login.Issuer, time.Now().Unix()+600, "\xff"))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.CompactSerialize()
	if _, err := p.VerifyCode(t.Context(), &Answer{IDToken: secret.New(raw)}, ""); reasonOf(err) != ReasonMalformed {
		t.Error(err)
	}
}

func TestGoogleHasTwoSpellings(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, func(p *Profile) { p.Issuer = googleIssuer })
	for _, known := range []string{googleIssuer, googleIssuer2} {
		for _, iss := range []string{googleIssuer, googleIssuer2} {
			a := &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(claims{"iss": iss}))}
			v, err := p.Verify(t.Context(), a, Identity{known, "sub-1", "client-1"})
			if err != nil || v.Comparison != ComparisonSame || v.Identity.Issuer != googleIssuer {
				t.Errorf("%s, known %s: %v", iss, known, err)
			}
		}
	}
}

func TestCustomClaims(t *testing.T) {
	i := newIssuer(t)
	p := verifier(t, i, nil)
	ask := func(c claims) Verified {
		t.Helper()
		v, err := p.VerifyCode(t.Context(), &Answer{IDToken: sign(t, jose.RS256, "r", i.rsa, standard(c))}, "")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := ask(claims{"nonce": "n", "sid": "s", "amr": []string{"pwd"}, "tier": "gold", "address": json.RawMessage(`{ "b": 1.50, "a": [ 2 ] }`)})
	if len(v.Claims) != 2 || string(v.Claims["tier"]) != `"gold"` || string(v.Claims["address"]) != `{"a":[2],"b":1.50}` || v.ClaimsOmitted {
		t.Errorf("%d claims: %s", len(v.Claims), v.Claims["address"])
	}
	clear, err := v.Claims.MarshalClear()
	var back Claims
	if err != nil || json.Unmarshal(clear, &back) != nil || string(back["tier"]) != `"gold"` {
		t.Errorf("%s, %v", clear, err)
	}
	if v := ask(claims{"tier": strings.Repeat("x", maxClaims)}); v.Claims != nil || !v.ClaimsOmitted || v.Identity != login {
		t.Error("claims without end are kept")
	}
	if v := ask(claims{"tier": strings.Repeat("x", maxClaims-6)}); len(v.Claims) != 1 || v.ClaimsOmitted {
		t.Error("16 KiB of claims are not kept")
	}
}

func TestVerifiedPrintsNobody(t *testing.T) {
	v := Verified{Identity: Identity{"https://op.example", canary, "client-1"}, Claims: Claims{canary: json.RawMessage(`"` + canary + `"`)}}
	log, lines := captured()
	log.Info("m", "v", v, "claims", v.Claims, "identity", v.Identity)
	slog.New(slog.NewTextHandler(lines, nil)).Info("m", "v", v, "claims", v.Claims, "identity", v.Identity)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		fmt.Fprintf(lines, verb+verb+verb+verb, v, v.Claims, v.Identity, &v)
	}
	text, err := json.Marshal(v.Claims)
	if err != nil {
		t.Fatal(err)
	}
	assertClean(t, lines.String()+string(text))
}

// identifier is a provider with userinfo at a handler, and keys unless bare.
func identifier(t *testing.T, i *issuer, userinfo http.HandlerFunc, change func(*Profile)) (*Provider, *tokenServer) {
	t.Helper()
	s := serve(t, userinfo)
	return verifier(t, i, func(p *Profile) {
		p.UserinfoURL = s.URL + "/userinfo"
		if change != nil {
			change(p)
		}
	}), s
}

func TestIdentifyByUserinfo(t *testing.T) {
	i := newIssuer(t)
	for name, c := range map[string]struct {
		status int
		body   string
		sub    string
		reason string
		is     error
	}{
		"fine":          {200, `{"sub":"u-1","tier":"gold","email_verified":true}`, "u-1", "", nil},
		"no subject":    {200, `{"SUB":"u-1"}`, "", ReasonNoSubject, ErrHostile},
		"a number":      {200, `{"sub":7}`, "", ReasonMalformed, ErrHostile},
		"too long":      {200, `{"sub":"` + strings.Repeat("x", 256) + `"}`, "", ReasonMalformed, ErrHostile},
		"no JSON":       {200, `<html>`, "", ReasonMalformed, ErrHostile},
		"a list":        {200, `[]`, "", ReasonMalformed, ErrHostile},
		"too much":      {200, `{"x":"` + strings.Repeat("x", maxBody) + `"}`, "", ReasonMalformed, ErrHostile},
		"down":          {503, `{"sub":"u-1"}`, "", "", ErrUnreachable},
		"refused":       {401, `{"sub":"u-1"}`, "", "", ErrRefused},
		"not permitted": {403, `{"sub":"u-1"}`, "", "", ErrRefused},
	} {
		p, _ := identifier(t, i, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+at {
				t.Errorf("%s with %q", r.Method, r.Header.Get("Authorization"))
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}, nil)
		v, err := p.Identify(t.Context(), &Answer{AccessToken: secret.New(at)}, "n-1")
		if !errors.Is(err, c.is) || c.is == nil && err != nil || reasonOf(err) != c.reason || v.Identity.Subject != c.sub {
			t.Errorf("%s: %q, %v", name, v.Identity.Subject, err)
		}
		if c.sub != "" && (v.Identity.Issuer != login.Issuer || v.Identity.ClientID != "client-1" || len(v.Claims) != 2) {
			t.Errorf("%s: %v", name, v)
		}
		if err != nil && strings.Contains(err.Error(), "u-1") {
			t.Errorf("%s names the subject: %v", name, err)
		}
	}
}

// With an ID token nobody else is asked, and a bad one is not made good by asking.
func TestOnlyTheIDTokenCounts(t *testing.T) {
	i := newIssuer(t)
	p, s := identifier(t, i, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"sub":"u-1"}`) }, nil)
	good := &Answer{AccessToken: secret.New(at), IDToken: sign(t, jose.RS256, "r", i.rsa, standard(claims{"nonce": "n-1"}))}
	if v, err := p.Identify(t.Context(), good, "n-1"); err != nil || v.Identity != login {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := p.Identify(t.Context(), good, "n-2"); reasonOf(err) != ReasonWrongNonce {
		t.Error(err)
	}
	if s.posts.Load() != 0 {
		t.Error("userinfo was asked beside an ID token")
	}
}

func TestIdentifyWithoutMeans(t *testing.T) {
	i := newIssuer(t)
	unpinned := func(p *Profile) { p.IDTokenAlgs, p.JWKSURL = nil, "" }
	said := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"sub":"u-1"}`) }
	a := &Answer{AccessToken: secret.New(at), IDToken: secret.New("x.y.z")}

	p, _ := identifier(t, i, said, unpinned)
	if v, err := p.Identify(t.Context(), a, "n"); err != nil || v.Identity.Subject != "u-1" {
		t.Errorf("an ID token that nobody can verify: %v, %v", v, err)
	}
	p = verifier(t, i, unpinned)
	if v, err := p.Identify(t.Context(), a, "n"); err != nil || v.Identity != (Identity{}) || v.Comparison != ComparisonUnknown {
		t.Errorf("no means at all: %v, %v", v, err)
	}
	p, s := identifier(t, i, said, func(p *Profile) { p.IDTokenOnCode = IDTokenRequired })
	if _, err := p.Identify(t.Context(), &Answer{AccessToken: secret.New(at)}, "n"); reasonOf(err) != ReasonMissing || s.posts.Load() != 0 {
		t.Errorf("a demanded ID token is missing: %v", err)
	}
	if _, err := p.Verify(t.Context(), &Answer{AccessToken: secret.New(at)}, login); err != nil {
		t.Errorf("it is demanded of codes only: %v", err)
	}
}

func TestKeysOutOfReachForCodes(t *testing.T) {
	i := newIssuer(t)
	i.down.Store(true)
	p, s := identifier(t, i, func(http.ResponseWriter, *http.Request) {}, nil)
	a := &Answer{AccessToken: secret.New(at), IDToken: sign(t, jose.RS256, "r", i.rsa, standard(nil))}
	if _, err := p.Identify(t.Context(), a, ""); !errors.Is(err, ErrKeysUnavailable) || errors.Is(err, ErrHostile) || s.posts.Load() != 0 {
		t.Fatal(err)
	}
}
