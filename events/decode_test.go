package events_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
)

// canary stands in payloads where an error must not repeat it.
const canary = "cnry-5f1d"

func isInvalid(err error, field, reason string) bool {
	var bad *events.Invalid
	return errors.As(err, &bad) && bad.Field == field && bad.Reason == reason
}

// envelope is a structured event, with members replaced; "" removes one.
func envelope(members map[string]string) []byte {
	all := map[string]string{
		"specversion": `"1.0"`, "id": `"1"`, "source": `"shop"`, "type": `"dev.regrant.token-expired.v1"`,
		"subject": `"L1"`, "data": `{"tenant":"default","provider":"op","link":"L1","generation":7,"reason":"expired"}`,
	}
	maps.Copy(all, members)
	var parts []string
	for name, value := range all {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func TestDecodeRefusesBadStructuredEvents(t *testing.T) {
	deep := strings.Repeat("[", events.MaxDepth) + strings.Repeat("]", events.MaxDepth)
	many := "{" + strings.TrimSuffix(strings.Repeat(`"%d":1,`, events.MaxMembers+1), ",") + "}"
	numbers := make([]any, events.MaxMembers+1)
	for i := range numbers {
		numbers[i] = i
	}
	big := `"` + strings.Repeat("x", events.MaxSize) + `"`
	type members = map[string]string
	for name, c := range map[string]struct {
		body          []byte
		field, reason string
	}{
		"empty":               {nil, "body", "undecodable"},
		"not JSON":            {[]byte(canary), "body", "undecodable"},
		"cut off":             {envelope(nil)[:40], "body", "undecodable"},
		"two texts":           {append(envelope(nil), `{}`...), "body", "undecodable"},
		"not UTF-8":           {envelope(members{"id": "\"\xff\""}), "body", "undecodable"},
		"a list":              {[]byte("[" + string(envelope(nil)) + "]"), "specversion", "missing"},
		"too large":           {envelope(members{"data": big}), "body", "oversized"},
		"too deep":            {envelope(members{"data": deep}), "body", "too_deep"},
		"endless":             {[]byte(strings.Repeat("[", events.MaxSize)), "body", "too_deep"},
		"too many members":    {envelope(members{"data": fmt.Sprintf(many, numbers...)}), "body", "too_many_members"},
		"no specversion":      {envelope(members{"specversion": ""}), "specversion", "missing"},
		"old specversion":     {envelope(members{"specversion": `"0.3"`}), "specversion", "unsupported"},
		"no id":               {envelope(members{"id": ""}), "id", "malformed"},
		"empty id":            {envelope(members{"id": `""`}), "id", "malformed"},
		"blank id":            {envelope(members{"id": `"  "`}), "id", "malformed"},
		"id of another type":  {envelope(members{"id": `5`}), "body", "undecodable"},
		"no source":           {envelope(members{"source": ""}), "source", "malformed"},
		"no type":             {envelope(members{"type": ""}), "type", "malformed"},
		"bad time":            {envelope(members{"time": `"` + canary + `"`}), "body", "undecodable"},
		"bad source":          {envelope(members{"source": `"%` + canary + `"`}), "body", "undecodable"},
		"attribute twice":     {[]byte(strings.Replace(string(envelope(nil)), "{", `{"id":"2",`, 1)), "body", "duplicate"},
		"twice, other case":   {envelope(members{"ID": `"2"`}), "body", "duplicate"},
		"twice, escaped":      {envelope(members{"data": `{"link":"L1","li\u006ek":"L2"}`}), "body", "duplicate"},
		"twice, Kelvin sign":  {envelope(members{"data": `{"link":"L1","lin` + "\u212a" + `":"L2"}`}), "body", "duplicate"},
		"twice, inside":       {envelope(members{"data": `{"a":[{"x":1,"x":2}]}`}), "body", "duplicate"},
		"upper-case name":     {envelope(members{"Data": `"` + canary + `"`, "data": ""}), "extension", "malformed"},
		"strange name":        {envelope(members{canary: `1`}), "extension", "malformed"},
		"empty name":          {envelope(members{"": `1`}), "body", "malformed"},
		"extension an object": {envelope(members{"ext": `{"a":1}`}), "body", "undecodable"},
		"XML data":            {envelope(members{"datacontenttype": `"text/xml"`, "data": `"<` + canary + `/>"`}), "datacontenttype", "unsupported"},
		"bad content type":    {envelope(members{"datacontenttype": `"` + canary + `/"`, "data": `"x"`}), "datacontenttype", "malformed"},
		"both data":           {envelope(members{"data_base64": `"e30="`}), "data_base64", "duplicate"},
		"base64 a number":     {envelope(members{"data": "", "data_base64": `1`}), "data_base64", "malformed"},
		"base64 null":         {envelope(members{"data": "", "data_base64": `null`}), "data_base64", "malformed"},
		"base64 bad":          {envelope(members{"data": "", "data_base64": `"` + canary + `"`}), "body", "undecodable"},
		"base64 not JSON":     {envelope(members{"data": "", "data_base64": `"AAAA"`}), "body", "undecodable"},
		"old base64":          {envelope(members{"specversion": `"0.3"`, "datacontentencoding": `null`}), "specversion", "unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := events.Decode(nil, c.body)
			if !isInvalid(err, c.field, c.reason) {
				t.Fatalf("got %v, want %s in %s\n%.200s", err, c.reason, c.field, c.body)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the payload: %v", err)
			}
		})
	}
}

func TestDecodeAcceptsStructuredEvents(t *testing.T) {
	data := `{"tenant":"default","provider":"op","link":"L1","generation":7,"reason":"expired"}`
	encoded := `"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"`
	deep := strings.Repeat("[", events.MaxDepth-1) + strings.Repeat("]", events.MaxDepth-1)
	type members = map[string]string
	for name, c := range map[string]struct {
		contentType string
		body        []byte
	}{
		"plain":             {"application/cloudevents+json", envelope(nil)},
		"any case":          {"Application/CloudEvents+JSON", envelope(nil)},
		"parameters":        {"application/cloudevents+json; charset=utf-8", envelope(nil)},
		"no content type":   {"", envelope(nil)},
		"with a type":       {"", envelope(members{"datacontenttype": `"application/json; charset=utf-8"`})},
		"base64":            {"", envelope(members{"data": "", "data_base64": encoded})},
		"null subject":      {"", envelope(members{"dataschema": `"https://schemas.regrant.dev/x"`})},
		"numeric extension": {"", envelope(members{"sequence": `5`})},
		"deepest":           {"", envelope(members{"data": deep})},
		"quotes and braces": {"", envelope(members{"id": `"\\\"}{],:"`})},
	} {
		t.Run(name, func(t *testing.T) {
			header := map[string][]string{}
			if c.contentType != "" {
				header["Content-Type"] = []string{c.contentType}
			}
			e, err := events.Decode(header, c.body)
			if err != nil {
				t.Fatalf("%v\n%s", err, c.body)
			}
			again, err := events.Encode(e)
			if err != nil || !json.Valid(again) {
				t.Errorf("encoded again: %s, %v", again, err)
			}
		})
	}
}

func TestDecodeBinary(t *testing.T) {
	data := []byte(`{"tenant":"default","provider":"op","link":"L1","generation":7,"reason":"expired"}`)
	e, err := events.Decode(map[string][]string{
		"CE-SpecVersion":   {"1.0"},
		"ce-id":            {"a%20b%E2%82%AC%25"},
		"Ce-Source":        {"https://shop.example.com/%2541"},
		"ce-type":          {"dev.regrant.token-expired.v1"},
		"ce-subject":       {"L1"},
		"ce-time":          {"2026-03-01T12:00:00.5Z"},
		"Ce-TraceParent":   {"00-01"},
		"CONTENT-TYPE":     {"application/json"},
		"Nats-Msg-Id":      {"x"},
		"X-Something-Else": {"y", "z"},
	}, data)
	if err != nil {
		t.Fatal(err)
	}
	if e.ID() != "a b€%" || e.Source() != "https://shop.example.com/%41" {
		t.Errorf("id %q, source %q are not percent-decoded once", e.ID(), e.Source())
	}
	if e.Time().Nanosecond() != 5e8 || e.Extensions()["traceparent"] != "00-01" {
		t.Errorf("time %v, extensions %v", e.Time(), e.Extensions())
	}
	want := events.Address{Tenant: "default", Provider: "op", Link: "L1"}
	if err := events.Check(e, want, events.NameTokenExpired); err != nil {
		t.Error(err)
	}
}

func TestDecodeRefusesBadBinaryEvents(t *testing.T) {
	good := map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"shop"}, "ce-type": {"t"}, "content-type": {"application/json"},
	}
	type h = map[string][]string
	for name, c := range map[string]struct {
		change        h
		body          string
		field, reason string
	}{
		"no specversion":    {h{"ce-specversion": nil}, "{}", "content-type", "unsupported"},
		"nothing at all":    {h{"ce-specversion": nil, "content-type": nil}, "{}", "ce-specversion", "missing"},
		"a batch":           {h{"ce-specversion": nil, "content-type": {"application/cloudevents-batch+json"}}, "[]", "content-type", "unsupported"},
		"old specversion":   {h{"ce-specversion": {"0.3"}}, "{}", "specversion", "unsupported"},
		"empty id":          {h{"ce-id": {""}}, "{}", "id", "malformed"},
		"no id":             {h{"ce-id": nil}, "{}", "id", "malformed"},
		"encoded blank id":  {h{"ce-id": {"%20"}}, "{}", "id", "malformed"},
		"bad escape":        {h{"ce-id": {"%" + canary}}, "{}", "ce-id", "malformed"},
		"not UTF-8":         {h{"ce-subject": {"%ff"}}, "{}", "ce-subject", "malformed"},
		"two values":        {h{"ce-id": {"1", canary}}, "{}", "ce-id", "duplicate"},
		"two cases":         {h{"CE-ID": {canary}}, "{}", "ce-id", "duplicate"},
		"two content types": {h{"Content-Type": {canary}}, "{}", "content-type", "duplicate"},
		"bad time":          {h{"ce-time": {canary}}, "{}", "time", "malformed"},
		"strange name":      {h{"ce-" + canary: {"1"}}, "{}", "extension", "malformed"},
		"named data":        {h{"ce-data": {canary}}, "{}", "extension", "malformed"},
		"XML":               {h{"content-type": {"text/xml"}}, "<a/>", "datacontenttype", "unsupported"},
		"not JSON":          {nil, canary, "body", "undecodable"},
		"duplicate":         {nil, `{"a":1,"A":2}`, "body", "duplicate"},
		"too deep":          {nil, strings.Repeat("[", 17) + strings.Repeat("]", 17), "body", "too_deep"},
		"huge header":       {h{"ce-ext": {strings.Repeat("x", events.MaxSize)}}, "{}", "header", "oversized"},
	} {
		t.Run(name, func(t *testing.T) {
			header := maps.Clone(good)
			maps.Copy(header, c.change)
			maps.DeleteFunc(header, func(_ string, v []string) bool { return v == nil })
			_, err := events.Decode(header, []byte(c.body))
			if !isInvalid(err, c.field, c.reason) {
				t.Fatalf("got %v, want %s in %s", err, c.reason, c.field)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats the header: %v", err)
			}
		})
	}
}

// TestDecodeKeepsNoneOfTheMessage: a bus may reuse the buffer it delivered.
func TestDecodeKeepsNoneOfTheMessage(t *testing.T) {
	binary := map[string][]string{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}}
	for name, c := range map[string]struct {
		header map[string][]string
		body   []byte
	}{"structured": {nil, envelope(nil)}, "binary": {binary, []byte(`{"a":1}`)}} {
		e, err := events.Decode(c.header, c.body)
		if err != nil {
			t.Fatal(err)
		}
		before := e.String()
		clear(c.body)
		if e.String() != before {
			t.Errorf("%s: the event changed with the buffer", name)
		}
	}
}
