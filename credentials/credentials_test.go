package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/secret"
)

const (
	userCanary     = "canary_user_3b1c"
	passwordCanary = "canary_password_88e0"
)

var (
	link = events.Address{Tenant: "default", Provider: "apim", Link: "L1"}
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	good = Credential{Username: secret.New(userCanary), Password: secret.New(passwordCanary)}
)

func ask(t testing.TB, a events.Address, generation uint64, expires time.Time) (Ask, *Key) {
	t.Helper()
	q, key, err := NewAsk(a, generation, expires)
	if err != nil {
		t.Fatal(err)
	}
	return q, key
}

func seal(t testing.TB, a Ask, c Credential) Sealed {
	t.Helper()
	s, err := a.Seal(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent is an ask as its owner reads it.
func sent(t testing.TB, a Ask) Ask {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseAsk(text, noon)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnOwnersAnswerOpens(t *testing.T) {
	q, key := ask(t, link, 7, noon.Add(1500*time.Millisecond))
	if !q.ExpiresAt.Equal(noon.Add(2 * time.Second)) {
		t.Errorf("expires %s: not the next whole second", q.ExpiresAt)
	}
	for _, c := range []Credential{
		good,
		{secret.New("a"), secret.New(strings.Repeat("ü", 4000))},
		{secret.New(`<a&b>"`), secret.New("\u2028 \x00\\")},
	} {
		got, err := key.Open(seal(t, sent(t, q), c))
		if err != nil || !got.Username.Equal(c.Username) || !got.Password.Equal(c.Password) {
			t.Errorf("opened %q, %q: %v", got.Username.Reveal(), got.Password.Reveal(), err)
		}
	}
}

// Made by an implementation that is not ours (the hpke module of Python's
// cryptography 48), from what docs/api.md says.
func TestAnAnswerFromAnotherLanguageOpens(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Private            []byte `json:"private_key"`
		Ask, Answer        json.RawMessage
		Info               string
		Username, Password string
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	q, err := ParseAsk(v.Ask, noon.Add(-4*time.Hour))
	if err != nil || string(q.info()) != v.Info {
		t.Fatalf("info %q, want %q; %v", q.info(), v.Info, err)
	}
	private, err := kem.NewPrivateKey(v.Private)
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&Key{private: private, info: q.info()}).OpenAnswer(v.Answer)
	if err != nil || got.Username.Reveal() != v.Username || got.Password.Reveal() != v.Password {
		t.Fatalf("%q, %q: %v", got.Username.Reveal(), got.Password.Reveal(), err)
	}
}

// Whoever carries messages may swap, keep and alter them. Nothing but the answer to
// this very ask opens.
func TestAnAnswerToAnotherAskDoesNotOpen(t *testing.T) {
	q, key := ask(t, link, 7, noon)
	right := seal(t, q, good)
	with := func(change func(*Ask)) Sealed {
		other := q // the same key: only what is asked for differs
		change(&other)
		return seal(t, other, good)
	}
	earlier, _ := ask(t, link, 7, noon)
	for name, s := range map[string]Sealed{
		"tenant":         with(func(a *Ask) { a.Tenant = "shop" }),
		"provider":       with(func(a *Ask) { a.Provider = "bank" }),
		"link":           with(func(a *Ask) { a.Link = "L2" }),
		"generation":     with(func(a *Ask) { a.Generation = 8 }),
		"expiry":         with(func(a *Ask) { a.ExpiresAt = noon.Add(time.Second) }),
		"an earlier ask": seal(t, earlier, good),
		"cut":            right[:len(right)-1],
		"longer":         append(slices.Clone(right), 0),
		"key alone":      right[:32],
		"nothing":        nil,
	} {
		if c, err := key.Open(s); !errors.Is(err, ErrNotOpened) || !c.Password.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range right {
		altered := slices.Clone(right)
		altered[i] ^= 1
		if _, err := key.Open(altered); !errors.Is(err, ErrNotOpened) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	if _, err := key.Open(right); err != nil {
		t.Errorf("the right one, after all of them: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	q, key := ask(t, link, 1, noon)
	whole, err := json.Marshal(Answer{Sealed: seal(t, q, good)})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := key.OpenAnswer(whole); err != nil || c.Password.Reveal() != passwordCanary {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]error{
		`{"refused":true}`:                      ErrRefused,
		`{"refused":true,"sealed":"AAAA"}`:      ErrNotOpened, // it cannot be both
		`{"refused":false}`:                     ErrNotOpened,
		`{}`:                                    ErrNotOpened,
		``:                                      ErrNotOpened,
		`{"sealed":"` + passwordCanary + `"}`:   ErrNotOpened,
		`{"password":"` + passwordCanary + `"}`: ErrNotOpened,
		passwordCanary:                          ErrNotOpened,
		`{"refused":true}` + strings.Repeat(" ", 64<<10): ErrNotOpened,
	} {
		if _, err := key.OpenAnswer([]byte(text)); !errors.Is(err, want) || strings.Contains(err.Error(), passwordCanary) {
			t.Errorf("%.40s: %v, want %v", text, err, want)
		}
	}
}

func TestWhatIsNoAsk(t *testing.T) {
	q, _ := ask(t, link, 3, noon)
	with := func(change func(*Ask)) string {
		other := q
		change(&other)
		text, err := json.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"good":           {with(func(*Ask) {}), nil},
		"a newer worker": {strings.Replace(with(func(*Ask) {}), "{", `{"more":1,`, 1), nil},
		"late, by skew":  {with(func(a *Ask) { a.ExpiresAt = noon.Add(-Skew) }), nil},
		"stale":          {with(func(a *Ask) { a.ExpiresAt = noon.Add(-Skew - time.Second) }), ErrStale},
		"no time":        {with(func(a *Ask) { a.ExpiresAt = time.Time{} }), ErrStale},
		"address":        {with(func(a *Ask) { a.Link = "L.>" }), ErrAsk},
		"short key":      {with(func(a *Ask) { a.PublicKey = a.PublicKey[1:] }), ErrAsk},
		"no key":         {with(func(a *Ask) { a.PublicKey = nil }), ErrAsk},
		"no JSON":        {passwordCanary, ErrAsk},
		"wrong type":     {`{"generation":"` + passwordCanary + `"}`, ErrAsk},
		"large":          {with(func(*Ask) {}) + strings.Repeat(" ", MaxMessage), ErrAsk},
	} {
		if _, err := ParseAsk([]byte(c.text), noon); !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), passwordCanary) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := NewAsk(events.Address{Tenant: "a", Provider: "b", Link: "c.d"}, 1, noon); !errors.Is(err, ErrAsk) {
		t.Errorf("an address that is none: %v", err)
	}
	q.PublicKey = make([]byte, 32) // of low order: its shared secret is known to all
	if _, err := q.Seal(good); err == nil {
		t.Error("sealed to a key that everybody has")
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	q, _ := ask(t, link, 1, noon)
	for name, c := range map[string]Credential{
		"no password":  {Username: secret.New(userCanary)},
		"no user name": {Password: secret.New(passwordCanary)},
		"not UTF-8":    {secret.New(userCanary), secret.New(passwordCanary + "\xe4")},
		"too long":     {secret.New(userCanary), secret.New(passwordCanary + strings.Repeat("x", maxSecret))},
	} {
		_, err := q.Seal(c)
		if !errors.Is(err, ErrCredential) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLengthTellsLittle(t *testing.T) {
	q, _ := ask(t, link, 1, noon)
	lengths := map[int]bool{}
	for n := 1; n <= 200; n++ {
		lengths[len(seal(t, q, Credential{secret.New("ada"), secret.New(strings.Repeat("x", n))}))] = true
	}
	if len(lengths) != 1 {
		t.Errorf("200 lengths of passwords show as %d lengths of answers", len(lengths))
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	q, key := ask(t, link, 1, noon)
	private, err := key.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, q, good)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, strings.Repeat(verb+" ", 6), good, &good, key, *key, q, sealed)
		fmt.Fprintf(&out, verb, struct {
			K *Key
			C Credential
		}{key, good})
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		log.Info("m", "credential", good, "key", key, "keyvalue", *key, "ask", q, "answer", Answer{Sealed: sealed})
	}
	if err := json.NewEncoder(&out).Encode([]any{good, key, q, sealed}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{userCanary, passwordCanary, fmt.Sprintf("%x", private), string(private), strings.Trim(fmt.Sprintf("%d", private), "[]")} {
		if strings.Contains(strings.ToLower(out.String()), s) {
			t.Errorf("%q was printed", s)
		}
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Error("nothing was printed: the test proves nothing")
	}
}

func FuzzOpenAnswer(f *testing.F) {
	q, key := ask(f, link, 1, noon)
	whole, _ := json.Marshal(Answer{Sealed: seal(f, q, good)})
	f.Add(whole)
	f.Add([]byte(`{"refused":true}`))
	f.Add([]byte(`{"sealed":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := key.OpenAnswer(data); err != nil && !errors.Is(err, ErrNotOpened) && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
	})
}
