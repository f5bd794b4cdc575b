package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/schemas"
)

var update = flag.Bool("update", false, "write testdata from the samples")

var trace = events.Trace{
	CorrelationID: "01JQ8ZB0001",
	CausationID:   "01JQ8ZB0002",
	Traceparent:   "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}

func wrap(t testing.TB, d events.Data) event.Event {
	t.Helper()
	var e event.Event
	var err error
	if d.EventName().Input() {
		e, err = events.NewInput("https://shop.example.com", "01JQ8ZB0003", at, trace, d)
	} else {
		e, err = events.NewOutput("regrant/worker", 42, at, trace, d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode is what a publisher sends for d.
func encode(t testing.TB, d events.Data) []byte {
	t.Helper()
	body, err := events.Encode(wrap(t, d))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestEveryNameHasASample(t *testing.T) {
	for _, n := range events.Names() {
		if d := samples()[string(n)]; d == nil || d.EventName() != n {
			t.Errorf("no sample for %s", n)
		}
	}
}

func TestSamplesSetEveryField(t *testing.T) {
	for _, n := range events.Names() {
		v := reflect.ValueOf(samples()[string(n)])
		for i := range v.NumField() {
			// A reconsent has state and code, state and error, or staging: its other samples have the rest.
			f := v.Type().Field(i)
			other := n == events.NameReconsentCompleted && (f.Name == "Staging" || f.Name == "Error")
			if v.Field(i).IsZero() && !other {
				t.Errorf("%s: %s is not set", n, f.Name)
			}
		}
	}
}

func TestGoldenEvents(t *testing.T) {
	for file, d := range samples() {
		t.Run(file, func(t *testing.T) { checkGolden(t, filepath.Join("testdata", file+".json"), d) })
	}
	if files, _ := filepath.Glob("testdata/*.json"); len(files) != len(samples()) {
		t.Errorf("%d golden files, %d samples", len(files), len(samples()))
	}
}

func checkGolden(t *testing.T, file string, d events.Data) {
	body := encode(t, d)
	if *update {
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, body, "", "  ")
		if err := os.WriteFile(file, append(pretty.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := compact(t, body), compact(t, golden); got != want {
		t.Errorf("the sample is encoded as\n%s\nnot as the golden\n%s", got, want)
	}
	e, err := events.Decode(nil, golden)
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Check(e, events.AddressOf(d), d.EventName()); err != nil {
		t.Error(err)
	}
	if err := schemas.Validate("cloudevent.v1", golden); err != nil {
		t.Errorf("envelope: %v", err)
	}
	again, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := compact(t, again), compact(t, golden); got != want {
		t.Errorf("decoded and encoded again:\n%s\nwant\n%s", got, want)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAsReturnsWhatWasSent(t *testing.T) {
	e, err := events.Decode(nil, encode(t, samples()["token-rotated"]))
	if err != nil {
		t.Fatal(err)
	}
	d, err := events.As[events.TokenRotated](e)
	if err != nil || !reflect.DeepEqual(d, samples()["token-rotated"]) {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := events.As[events.TokenExpired](e); !isInvalid(err, "type", events.FaultWrongType) {
		t.Errorf("as another type: %v", err)
	}
}

func TestPromptsExpire(t *testing.T) {
	for name, want := range map[string]any{
		"consent-expiring":      "2026-03-08T12:00:00Z",
		"link-replacement-held": "2026-03-15T12:00:00Z",
		"consent-required":      nil,
	} {
		if got := wrap(t, samples()[name]).Extensions()["expirytime"]; got != want {
			t.Errorf("%s: expirytime %v, want %v", name, got, want)
		}
	}
}
