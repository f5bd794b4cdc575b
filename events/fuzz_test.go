package events_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
)

// known is everything that an error of Decode may say.
var known = struct{ fields, reasons []string }{
	fields: []string{"body", "header", "content-type", "extension", "data_base64", "id", "source", "type", "subject", "time",
		"specversion", "datacontenttype", "dataschema"},
	reasons: []string{events.FaultUndecodable, events.FaultOversized, events.FaultTooDeep, events.FaultTooManyMembers,
		events.FaultDuplicate, events.FaultMissing, events.FaultMalformed, events.FaultUnsupported},
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("content-type", events.ContentType, "", "", body)
	}
	f.Add("ce-specversion", "1.0", "ce-id", "%20", []byte(`{"a":[1,{"b":null}]}`))
	f.Add("", "", "", "", []byte(`{"data_base64":1,"specversion":"1.0"}`))
	f.Add("", "", "", "", []byte(`{"specversion":"0.3","datacontentencoding":null}`))
	f.Add("", "", "", "", []byte(`{"\u0069d":"1","ID":"2"`))
	f.Fuzz(func(t *testing.T, key, value, key2, value2 string, body []byte) {
		header := map[string][]string{key: {value}, key2: {value2}, "ce-source": {"s"}, "ce-type": {"t"}}
		if key == "" {
			header = nil
		}
		e, err := events.Decode(header, body)
		if err != nil {
			saysNothing(t, err)
			return
		}
		text, err := events.Encode(e)
		if err != nil {
			t.Fatalf("decoded but not encoded: %v", err)
		}
		again, err := events.Decode(nil, text)
		if err != nil && len(text) <= events.MaxSize {
			t.Fatalf("encoded but not decoded: %v\n%s", err, text)
		}
		if err == nil && again.ID() != e.ID() {
			t.Fatalf("id %q became %q", e.ID(), again.ID())
		}
	})
}

// saysNothing makes sure that an error consists of our own words.
func saysNothing(t *testing.T, err error) {
	t.Helper()
	var bad *events.Invalid
	if !errors.As(err, &bad) {
		t.Fatalf("not an Invalid: %v", err)
	}
	field := strings.TrimPrefix(bad.Field, "ce-")
	if !slices.Contains(known.fields, field) || !slices.Contains(known.reasons, bad.Reason) {
		t.Fatalf("unknown words in %v", err)
	}
}

func BenchmarkParseIn(b *testing.B) {
	s := events.Subjects{}
	subject := s.In(bank, events.NameTokenExpired)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = s.ParseIn(subject)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := encode(b, samples()["token-expired"])
	header := map[string][]string{events.HeaderContentType: {events.ContentType}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Decode(header, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	e := wrap(b, samples()["token-expired"])
	b.ReportAllocs()
	for b.Loop() {
		if err := events.Check(e, bank, events.NameTokenExpired); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e := wrap(b, samples()["token-expired"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Encode(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutputMessage is an output on its way from the record to the stream.
func BenchmarkOutputMessage(b *testing.B) {
	text := encode(b, samples()["token-rotated"])
	b.ReportAllocs()
	b.Run("stored", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := (events.Subjects{}).StoredOutput(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e, err := events.Decode(nil, text)
			if err == nil {
				_, err = events.Subjects{}.OutputMessage(e)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
