package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/regrant/regrant/seal"
)

const canary = "canary-5be1"

var bound = seal.Binding{Kind: "tokens", Tenant: "default", Provider: "op", Link: "01J", Consent: 3, Generation: 41}

func generate(t testing.TB) *seal.Keys {
	t.Helper()
	keys, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func mustSeal(t testing.TB, keys *seal.Keys, text string) []byte {
	t.Helper()
	sealed, err := keys.Seal(bound, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t testing.TB, keys *seal.Keys, sealed []byte, want string) {
	t.Helper()
	got, err := keys.Open(bound, sealed)
	if err != nil || string(got) != want {
		t.Fatalf("opened %q, %v; want %q", got, err, want)
	}
}

func staysShut(t testing.TB, keys *seal.Keys, b seal.Binding, sealed []byte) {
	t.Helper()
	got, err := keys.Open(b, sealed)
	if !errors.Is(err, seal.ErrNotOpened) || got != nil {
		t.Fatalf("opened %q as %s, error %v; want ErrNotOpened", got, b, err)
	}
	if strings.Contains(err.Error(), canary) {
		t.Fatalf("the error tells the secret: %v", err)
	}
}

func TestSealedOpensAndHidesItsText(t *testing.T) {
	keys := generate(t)
	for _, text := range []string{"", canary, strings.Repeat(canary, 10_000)} {
		sealed := mustSeal(t, keys, text)
		opens(t, keys, sealed, text)
		if bytes.Contains(sealed, []byte(canary)) {
			t.Fatal("the sealed value holds its clear text")
		}
	}
	if bytes.Equal(mustSeal(t, keys, canary), mustSeal(t, keys, canary)) {
		t.Fatal("two seals of one text are equal: the nonce is not random")
	}
}

// G7. Walks the fields by reflection, so that a field added later and forgotten
// in the encoding fails here.
func TestNoFieldOfTheBindingCanDiffer(t *testing.T) {
	keys := generate(t)
	sealed := mustSeal(t, keys, canary)
	for i := range reflect.TypeFor[seal.Binding]().NumField() {
		for _, other := range changed(t, i) {
			staysShut(t, keys, other, sealed)
		}
	}
	opens(t, keys, sealed, canary)
}

func changed(t *testing.T, field int) []seal.Binding {
	var out []seal.Binding
	add := func(set func(v reflect.Value)) {
		b := bound
		set(reflect.ValueOf(&b).Elem().Field(field))
		out = append(out, b)
	}
	switch f := reflect.ValueOf(bound).Field(field); f.Kind() {
	case reflect.String:
		add(func(v reflect.Value) { v.SetString(v.String() + "x") })
		add(func(v reflect.Value) { v.SetString(v.String()[1:] + "x") })
		add(func(v reflect.Value) { v.SetString(strings.ToUpper(v.String()) + "\x00") })
	case reflect.Uint64:
		add(func(v reflect.Value) { v.SetUint(v.Uint() + 1) })
		add(func(v reflect.Value) { v.SetUint(v.Uint() - 1) })
		add(func(v reflect.Value) { v.SetUint(v.Uint() << 56) })
		add(func(v reflect.Value) { v.SetUint(0) })
	default:
		t.Fatalf("field %d has kind %s: teach this test to change it", field, f.Kind())
	}
	return out
}

func TestNeighbouringFieldsCannotTradeBytes(t *testing.T) {
	keys := generate(t)
	whole := seal.Binding{Kind: "a", Tenant: "bc", Provider: "d", Link: "ef", Consent: 1, Generation: 2}
	sealed, err := keys.Seal(whole, []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []seal.Binding{
		{Kind: "ab", Tenant: "c", Provider: "d", Link: "ef", Consent: 1, Generation: 2},
		{Kind: "a", Tenant: "bcd", Provider: "", Link: "ef", Consent: 1, Generation: 2},
		{Kind: "a", Tenant: "bc", Provider: "de", Link: "f", Consent: 1, Generation: 2},
		{Kind: "a", Tenant: "bc", Provider: "ef", Link: "d", Consent: 1, Generation: 2},
		{Kind: "a", Tenant: "bc", Provider: "d", Link: "ef", Consent: 2, Generation: 1},
	} {
		staysShut(t, keys, other, sealed)
	}
}

func TestDamagedValuesStayShut(t *testing.T) {
	keys := generate(t)
	sealed := mustSeal(t, keys, canary)
	for n := range sealed {
		staysShut(t, keys, bound, sealed[:n])
	}
	for bit := range len(sealed) * 8 {
		flipped := bytes.Clone(sealed)
		flipped[bit/8] ^= 1 << (bit % 8)
		staysShut(t, keys, bound, flipped)
	}
	staysShut(t, keys, bound, append(bytes.Clone(sealed), 0))
	staysShut(t, keys, bound, append(bytes.Clone(sealed), sealed...))
	staysShut(t, generate(t), bound, sealed)
}

func TestAnUnboundValueIsRefused(t *testing.T) {
	keys := generate(t)
	for _, b := range []seal.Binding{{}, {Kind: "tokens"}, {Tenant: "default"}} {
		if _, err := keys.Seal(b, nil); err == nil {
			t.Errorf("sealed under %+v", b)
		}
		if _, err := keys.Open(b, mustSeal(t, keys, "")); err == nil {
			t.Errorf("opened under %+v", b)
		}
	}
}

func TestRotateKeepsOldValuesAndNamesAndSealsUnderANewKey(t *testing.T) {
	keys := generate(t)
	subject, old := keys.Subject("iss", "client", "sub"), mustSeal(t, keys, canary)
	stale := reload(t, keys)
	for range 3 {
		if err := rotate(keys); err != nil {
			t.Fatal(err)
		}
	}
	fresh := mustSeal(t, keys, canary)
	for _, k := range []*seal.Keys{keys, reload(t, keys)} {
		opens(t, k, old, canary)
		opens(t, k, fresh, canary)
		if k.Subject("iss", "client", "sub") != subject {
			t.Fatal("rotation renamed a subject: every link would lose its owner")
		}
	}
	staysShut(t, stale, bound, fresh) // a worker with the old file must load the new one
}

func TestConcurrentUseDuringRotation(t *testing.T) {
	keys := generate(t)
	before := mustSeal(t, keys, canary)
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for n := range 50 {
				text := fmt.Sprint(i, n)
				sealed, err := keys.Seal(bound, []byte(text))
				got, openErr := keys.Open(bound, sealed)
				_, beforeErr := keys.Open(bound, before)
				if err := errors.Join(err, openErr, beforeErr); err != nil || string(got) != text {
					t.Errorf("opened %q, %v; want %q", got, err, text)
				}
			}
		})
	}
	for range 5 {
		if err := rotate(keys); err != nil {
			t.Error(err)
		}
	}
	workers.Wait()
}

func TestKeysPrintNothing(t *testing.T) {
	keys := generate(t)
	type holder struct{ k *seal.Keys }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, keys)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "keys", keys)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "keys", keys)
	if got := strings.Count(out.String(), "[redacted]"); got != 9 {
		t.Fatalf("%d of 9 prints are redacted: %q", got, out.String())
	}
	if text := fmt.Sprintf("%+v", holder{keys}); !strings.HasPrefix(text, "{k:0x") {
		t.Fatalf("a holder prints %q", text)
	}
}

func BenchmarkSeal(b *testing.B) {
	keys, plaintext := generate(b), bytes.Repeat([]byte("t"), 4<<10)
	b.SetBytes(int64(len(plaintext)))
	for b.Loop() {
		if _, err := keys.Seal(bound, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	keys := generate(b)
	sealed := mustSeal(b, keys, strings.Repeat("t", 4<<10))
	b.SetBytes(4 << 10)
	for b.Loop() {
		if _, err := keys.Open(bound, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubject(b *testing.B) {
	keys := generate(b)
	for b.Loop() {
		keys.Subject("https://op.example.com", "client", "sub")
	}
}
