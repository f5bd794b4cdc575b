package consents_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/regrant/regrant/consents"
	"github.com/regrant/regrant/events"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fill gives every field a value, those included that a later version adds.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(began))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint64, reflect.Uint8:
		v.SetUint(7)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	default:
		panic("no value for a " + v.Type().String())
	}
}

func full() (f consents.Flow) {
	fill(reflect.ValueOf(&f).Elem())
	f.Version = consents.Version
	return f
}

// TestEverythingButTheGrantsTokensIsStored: the tokens have a place of their own in
// the flow, and are sealed for it.
func TestEverythingButTheGrantsTokensIsStored(t *testing.T) {
	want := full()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := consents.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	want.Found.Grant.Sealed = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v\nwritten\n%+v", got, want)
	}
}

// TestAnEmptyFlowStaysEmpty: what is not known yet must not come back as a zero
// that looks known.
func TestAnEmptyFlowStaysEmpty(t *testing.T) {
	want := consents.Flow{Version: consents.Version, Status: consents.Pending}
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := consents.Decode(data); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ data, says string }{
		"a newer layout":  {`{"v":2,"secrets":"Y2FuYXJ5"}`, "run the newer version"},
		"no layout":       {`{"key":"canary"}`, "layout 0"},
		"what is no JSON": {`canary`, "not JSON"},
		"nothing":         {``, "not JSON"},
	} {
		_, err := consents.Decode([]byte(c.data))
		if !errors.Is(err, consents.ErrRecord) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want ErrRecord that says %q", name, err, c.says)
			continue
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2Fu") {
			t.Errorf("%s: the error quotes the record: %v", name, err)
		}
	}
}

// TestObserved: the place in the order is that of the first read that finds the
// flow presented, and no later one moves it.
func TestObserved(t *testing.T) {
	f := consents.Flow{Status: consents.Pending}
	if got := f.Observed(began); !got.Order.IsZero() {
		t.Errorf("a pending flow has the order %v", got.Order)
	}
	for _, status := range []consents.Status{consents.Presented, consents.Exchanged, consents.Held, consents.Applied, consents.Failed} {
		f.Status, f.Order = status, time.Time{}
		first := f.Observed(began)
		if !first.Order.Equal(began) {
			t.Errorf("%s: order %v, want %v", status, first.Order, began)
		}
		if later := first.Observed(began.Add(time.Hour)); !later.Order.Equal(began) {
			t.Errorf("%s: order %v after a later read, want %v", status, later.Order, began)
		}
	}
}

// TestRetention: a flow outlives the inputs (30 days) that can name it, and a
// hold its own end by as much.
func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	f := consents.Flow{BeganAt: began, ExpiresAt: began.Add(10 * time.Minute), HeldUntil: began.Add(7 * day)}
	for status, want := range map[consents.Status]time.Duration{
		consents.Pending: day + 10*time.Minute, consents.Presented: 31 * day, consents.Exchanged: 31 * day,
		consents.Held: 38 * day, consents.Applied: 31 * day, consents.Failed: 31 * day,
	} {
		f.Status = status
		if got := f.Retention(); got != want {
			t.Errorf("%s: %v, want %v", status, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	// SHA-256 of nothing, FIPS 180-4, as RFC 4648 section 5 without padding.
	if got, want := consents.Key(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	usable := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	for _, state := range []string{"state", "*", ">", "a.b", "a b", strings.Repeat("long", 1000)} {
		if key := consents.Key(state); !usable.MatchString(key) || strings.Contains(key, state) {
			t.Errorf("state %.20q has the key %q", state, key)
		}
	}
}

func TestReplacement(t *testing.T) {
	f := consents.Flow{Address: events.Address{Tenant: "default", Provider: "op", Link: "requested"}, Reserved: "reserved"}
	if got, want := f.Replacement(), (events.Address{Tenant: "default", Provider: "op", Link: "reserved"}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
