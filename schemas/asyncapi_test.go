package schemas_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/schemas"
)

// document is asyncapi.yaml as plain maps and lists.
func document(t *testing.T) map[string]any {
	t.Helper()
	text, err := schemas.FS.ReadFile(schemas.AsyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at follows the names of a JSON Pointer.
func at(t *testing.T, node any, path ...string) any {
	t.Helper()
	for _, name := range path {
		m, ok := node.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("nothing at %s of %v", name, path)
		}
		node = m[name]
	}
	return node
}

// resolve follows a $ref: within the document, or to an embedded schema.
func resolve(t *testing.T, doc map[string]any, ref string) any {
	t.Helper()
	file, pointer, _ := strings.Cut(ref, "#/")
	var node any = doc
	if file != "" {
		text, err := schemas.FS.ReadFile(strings.TrimPrefix(file, "./"))
		if err != nil {
			t.Fatalf("$ref %s: %v", ref, err)
		}
		if err := json.Unmarshal(text, &node); err != nil {
			t.Fatal(err)
		}
	}
	if pointer == "" {
		return node
	}
	return at(t, node, strings.Split(pointer, "/")...)
}

func refs(node any) []string {
	var found []string
	switch n := node.(type) {
	case map[string]any:
		for name, child := range n {
			if ref, ok := child.(string); ok && name == "$ref" {
				found = append(found, ref)
			}
			found = append(found, refs(child)...)
		}
	case []any:
		for _, child := range n {
			found = append(found, refs(child)...)
		}
	}
	return found
}

func TestEveryReferenceResolves(t *testing.T) {
	doc := document(t)
	all := refs(doc)
	if len(all) < 3*len(events.Names()) {
		t.Errorf("only %d references", len(all))
	}
	for _, ref := range all {
		resolve(t, doc, ref)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("version %v", doc["asyncapi"])
	}
}

// camel is how the document names an event: JSON Pointers through it need no escapes.
func camel(n events.Name) string {
	words := strings.Split(string(n), "-")
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "")
}

func TestEveryEventIsDescribed(t *testing.T) {
	doc := document(t)
	everywhere := events.Address{Tenant: "{tenant}", Provider: "{provider}", Link: "{link}"}
	for _, n := range events.Names() {
		id, address, action := camel(n), events.Subjects{}.Out(everywhere, n), "send"
		if n.Input() {
			address, action = events.Subjects{}.In(everywhere, n), "receive"
		}
		channel := at(t, doc, "channels", id)
		if got := at(t, channel, "address"); got != address {
			t.Errorf("%s: address %v, want %s", n, got, address)
		}
		operation := at(t, doc, "operations", action+strings.ToUpper(id[:1])+id[1:])
		if got := at(t, operation, "channel", "$ref"); got != "#/channels/"+id || at(t, operation, "action") != action {
			t.Errorf("%s: operation %v", n, operation)
		}
		checkMessage(t, doc, n, channel)
	}
	if got, want := len(at(t, doc, "channels").(map[string]any)), len(events.Names())+1; got != want {
		t.Errorf("%d channels, want %d: one per event, and live", got, want)
	}
	if got := at(t, doc, "channels", "live", "address"); got != (events.Subjects{}).Live(everywhere, "{name}") {
		t.Errorf("live address %v", got)
	}
}

func checkMessage(t *testing.T, doc map[string]any, n events.Name, channel any) {
	t.Helper()
	ref := at(t, channel, "messages", camel(n), "$ref").(string)
	message := resolve(t, doc, ref)
	payload := fmt.Sprint(at(t, message, "payload", "schema"))
	if !strings.Contains(payload, n.Type()) || !strings.Contains(payload, "./"+n.Schema()+".json") {
		t.Errorf("%s: payload %s", n, payload)
	}
	if !n.Input() {
		if got := at(t, doc, "channels", "live", "messages", camel(n), "$ref"); got != ref {
			t.Errorf("%s: live message %v", n, got)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	data := []byte(`{"tenant":"t","provider":"p","link":"L1","generation":1,"reason":"expired"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := schemas.Validate("token-expired.v1", data); err != nil {
			b.Fatal(err)
		}
	}
}

// The examples are for whoever builds messages without our code: each is, header by
// header, what our own publishers send for its event.
func TestExamplesAreWhatWeSend(t *testing.T) {
	var messages struct {
		Components struct {
			Messages map[string]struct {
				Examples []struct {
					Name    string
					Headers map[string]string
					Payload map[string]any
				}
			}
		}
	}
	text, err := json.Marshal(document(t))
	if err == nil {
		err = json.Unmarshal(text, &messages)
	}
	if err != nil {
		t.Fatal(err)
	}
	examples := messages.Components.Messages["tokenExpired"].Examples
	if len(examples) != 2 {
		t.Fatalf("%d examples of reports", len(examples))
	}
	page, err := os.ReadFile("../docs/other-languages.md")
	if id := examples[0].Headers[events.HeaderMsgID]; err != nil || !strings.Contains(string(page), "`"+id+"`") {
		t.Errorf("docs/other-languages.md has not the message id %s of the first example: %v", id, err)
	}
	for _, example := range examples {
		body, _ := json.Marshal(example.Payload)
		e, err := events.Decode(nil, body)
		if err == nil {
			err = events.CheckAny(e)
		}
		if err != nil {
			t.Fatalf("%s: %v", example.Name, err)
		}
		m, err := events.Subjects{}.InputMessage(e)
		if err != nil || len(m.Header) != len(example.Headers) {
			t.Errorf("%s: headers %v, want %v: %v", example.Name, example.Headers, m.Header, err)
		}
		for name, value := range example.Headers {
			if got := m.Header[name]; len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s is %v, not %s", example.Name, name, got, value)
			}
		}
	}
}
