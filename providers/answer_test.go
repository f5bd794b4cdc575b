package providers

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/secret"
)

func fakeJWT(payload string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"RS256"}`)) + "." + e([]byte(payload)) + ".c2ln"
}

// An answer that was half a minute under way is half a minute older than it looks.
func TestClocksAreCountedFromTheRequest(t *testing.T) {
	clock := newStepClock()
	start := clock.now()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		clock.step(30 * time.Second)
		fmt.Fprint(w, `{"access_token":"a","expires_in":3600,"x_refresh_token_expires_in":86400,"authorization_expires_in":"172800"}`)
	})
	out := refresh(t, open(t, profileAt(t, s.URL), Options{Clock: clock.now}))
	if out.Class != OK {
		t.Fatal(out.Err)
	}
	a := out.Answer
	for name, got := range map[string][2]time.Time{
		"requested": {a.RequestedAt, start}, "bearer": {a.ExpiresAt, start.Add(time.Hour)},
		"refresh": {a.RefreshExpiresAt, start.Add(24 * time.Hour)}, "consent": {a.ConsentExpiresAt, start.Add(48 * time.Hour)},
	} {
		if !got[0].Equal(got[1]) {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
}

// x/oauth2 fills an omitted refresh token in with the old one.
func TestOmittedMeansOmitted(t *testing.T) {
	for _, body := range []string{`{"access_token":"a"}`, `{"access_token":"a","refresh_token":""}`, `{"access_token":"a","refresh_token":null}`} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		out := refresh(t, open(t, profileAt(t, s.URL), Options{}))
		if out.Class != OK || !out.Answer.RefreshToken.IsZero() || out.Answer.ScopesGiven || !out.Answer.ExpiresAt.IsZero() {
			t.Errorf("%s: %s, %+v", body, out.Class, out.Answer)
		}
	}
}

// An unusable answer may hold the only live refresh token.
func TestAmbiguousAnswerKeepsItsRefreshToken(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"refresh_token":"rt-2"}`) })
	out := refresh(t, open(t, profileAt(t, s.URL), Options{}))
	if out.Class != Ambiguous || out.Answer == nil || out.Answer.RefreshToken.Reveal() != "rt-2" {
		t.Fatalf("%s, %+v", out.Class, out.Answer)
	}
}

func TestEachClockGovernsItsOwn(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	jwt := fakeJWT(`{"iat":1000100,"exp":1000400}`) // five minutes, by a clock 100 s ahead
	old := fakeJWT(`{"iat":999900,"exp":1000100}`)
	cases := []struct {
		name string
		p    Profile
		body string
		want time.Time
	}{
		{"expires_in", Profile{}, `{"access_token":"a","expires_in":60,"id_token":"` + jwt + `"}`, at.Add(time.Minute)},
		{"default", Profile{AccessTTLDefault: time.Hour}, `{"access_token":"a"}`, at.Add(time.Hour)},
		{"unknown", Profile{}, `{"access_token":"a"}`, time.Time{}},
		{"nonsense", Profile{}, `{"access_token":"a","expires_in":-5}`, time.Time{}},
		{"overflow", Profile{}, `{"access_token":"a","expires_in":1e300}`, time.Time{}},
		{"text", Profile{}, `{"access_token":"a","expires_in":"soon"}`, time.Time{}},
		{"fixed", Profile{BearerExpiry: ExpiryFixed, AccessTTLDefault: time.Hour}, `{"access_token":"a","expires_in":60}`, at.Add(time.Hour)},
		{"own exp, skewed", Profile{BearerExpiry: ExpiryJWT}, `{"access_token":"` + jwt + `","expires_in":60}`, at.Add(5 * time.Minute)},
		{"own exp, issued before", Profile{BearerExpiry: ExpiryJWT}, `{"access_token":"` + old + `"}`, at.Add(100 * time.Second)},
		{"own exp of the ID token", Profile{BearerExpiry: ExpiryJWT, Bearer: BearerID}, `{"access_token":"a","id_token":"` + old + `","expires_in":9}`, at.Add(100 * time.Second)},
		{"opaque after all", Profile{BearerExpiry: ExpiryJWT}, `{"access_token":"a.b.c","expires_in":60}`, at.Add(time.Minute)},
	}
	for _, c := range cases {
		f, ok := parseJSON([]byte(c.body))
		if !ok {
			t.Fatal(c.body)
		}
		if got := f.answer(&c.p, at).ExpiresAt; !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestScopes(t *testing.T) {
	for body, want := range map[string]struct {
		list  []string
		given bool
	}{
		`{}`: {nil, false}, `{"scope":null}`: {nil, false}, `{"scope":""}`: {[]string{}, true},
		`{"scope":"a  b"}`: {[]string{"a", "b"}, true}, `{"scope":["a",7,"b"]}`: {[]string{"a", "b"}, true},
	} {
		f, _ := parseJSON([]byte(body))
		if list, given := f.scopes(); given != want.given || !reflect.DeepEqual(list, want.list) {
			t.Errorf("%s: %v %v", body, list, given)
		}
	}
}

func TestAnswerSurvivesSealing(t *testing.T) {
	now := time.Now().UTC().Round(0)
	in := Answer{
		AccessToken: secret.New("a"), RefreshToken: secret.New("r"), IDToken: secret.New("i"), TokenType: "Bearer",
		Scopes: []string{"x"}, ScopesGiven: true, RequestedAt: now, ExpiresAt: now.Add(1), RefreshExpiresAt: now.Add(2),
	}
	clear, err := in.MarshalClear()
	if err != nil {
		t.Fatal(err)
	}
	out, err := ParseAnswer(clear)
	if err != nil || !out.AccessToken.Equal(in.AccessToken) || !out.RefreshToken.Equal(in.RefreshToken) || !out.IDToken.Equal(in.IDToken) {
		t.Fatalf("%v: tokens differ", err)
	}
	in.AccessToken, in.RefreshToken, in.IDToken = out.AccessToken, out.RefreshToken, out.IDToken
	if !reflect.DeepEqual(in, *out) {
		t.Fatalf("%+v\n%+v", in, *out)
	}
	for _, bad := range []string{"", canary, `{"v":2,"access_token":"` + canary + `"}`, `{"access_token":"` + canary + `"}`} {
		if _, err := ParseAnswer([]byte(bad)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
