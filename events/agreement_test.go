package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/schemas"
)

// schema is a JSON Schema as far as ours go.
type schema map[string]any

func load(t testing.TB, name string) schema {
	t.Helper()
	text, err := schemas.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s schema) words(keyword string) []string {
	list, _ := s[keyword].([]any)
	words := make([]string, len(list))
	for i := range list {
		words[i] = list[i].(string)
	}
	return words
}

func (s schema) properties() map[string]any {
	p, _ := s["properties"].(map[string]any)
	return p
}

// fields returns a struct's JSON names, and which of them are always written.
func fields(t reflect.Type) (all, always []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			a, r := fields(f.Type)
			all, always = append(all, a...), append(always, r...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, name)
		if options != "omitempty" {
			always = append(always, name)
		}
	}
	return all, always
}

func TestSchemasAndTypesHaveTheSameFields(t *testing.T) {
	for _, n := range events.Names() {
		s := load(t, n.Schema())
		all, always := fields(reflect.TypeOf(samples()[string(n)]))
		sameSet(t, string(n)+" fields", all, slices.Collect(maps.Keys(s.properties())))
		sameSet(t, string(n)+" required", always, s.words("required"))
		if s["additionalProperties"] != false {
			t.Errorf("%s allows unknown fields", n)
		}
	}
}

func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: Go has %v, the schema %v", what, got, want)
	}
}

// TestWhatASchemaAllowsATypeHolds draws instances of each schema and asks the Go
// type to take them without loss.
func TestWhatASchemaAllowsATypeHolds(t *testing.T) {
	for _, n := range events.Names() {
		t.Run(string(n), func(t *testing.T) {
			g := generator{t: t, rand: rand.New(rand.NewPCG(1, 2)), defs: load(t, "defs.v1")}
			for range 100 {
				text, err := json.Marshal(g.value(load(t, n.Schema())))
				if err != nil {
					t.Fatal(err)
				}
				roundTrip(t, n, text)
			}
		})
	}
}

func roundTrip(t *testing.T, n events.Name, text []byte) {
	t.Helper()
	if err := schemas.Validate(n.Schema(), text); err != nil {
		t.Fatalf("the generator made %s: %v", text, err)
	}
	v := reflect.New(reflect.TypeOf(samples()[string(n)]))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v.Interface()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	again, err := json.Marshal(v.Interface())
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(n.Schema(), again); err != nil {
		t.Fatalf("%s came back as %s: %v", text, again, err)
	}
	var before, after map[string]any
	_, _ = json.Unmarshal(text, &before), json.Unmarshal(again, &after)
	if !reflect.DeepEqual(before, after) {
		t.Fatalf("%s came back as %s", text, again)
	}
}

// generator draws instances of our schemas.
type generator struct {
	t    testing.TB
	rand *rand.Rand
	defs schema
}

func (g generator) value(s schema) any {
	if ref, ok := s["$ref"].(string); ok {
		_, name, _ := strings.Cut(ref, "#/$defs/")
		return g.value(g.defs["$defs"].(map[string]any)[name].(map[string]any))
	}
	if enum := s.words("enum"); len(enum) > 0 {
		return enum[g.rand.IntN(len(enum))]
	}
	switch s["type"] {
	case "object":
		return g.object(s)
	case "array":
		list := make([]any, 1+g.rand.IntN(3))
		for i := range list {
			list[i] = g.value(s["items"].(map[string]any))
		}
		return list
	case "string":
		return g.text(s)
	case "integer":
		low, high := s["minimum"].(float64), s["maximum"].(float64)
		return uint64(low) + g.rand.Uint64N(uint64(high-low)+1)
	case "boolean":
		return g.rand.IntN(2) == 0
	}
	g.t.Fatalf("the generator does not know %v", s)
	return nil
}

// object sets what is required, one of the alternatives, and some of the rest.
// Names that an exclusive alternative (oneOf) lists are set only by it.
func (g generator) object(s schema) any {
	set := map[string]bool{}
	for name := range s.properties() {
		set[name] = g.rand.IntN(2) == 0
	}
	for _, name := range s.words("required") {
		set[name] = true
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		choices, _ := s[keyword].([]any)
		for _, c := range choices {
			for _, name := range schema(c.(map[string]any)).words("required") {
				set[name] = set[name] && keyword == "anyOf"
			}
		}
		if len(choices) > 0 {
			for _, name := range schema(choices[g.rand.IntN(len(choices))].(map[string]any)).words("required") {
				set[name] = true
			}
		}
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] {
			object[name] = g.value(s.properties()[name].(map[string]any))
		}
	}
	return object
}

func (g generator) text(s schema) string {
	if pattern, ok := s["pattern"].(string); ok {
		re, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			g.t.Fatal(err)
		}
		return g.match(re.Simplify())
	}
	if s["format"] == "date-time" {
		return fmt.Sprintf("20%02d-0%d-1%dT1%d:00:00Z", g.rand.IntN(100), 1+g.rand.IntN(9), g.rand.IntN(10), g.rand.IntN(10))
	}
	return []string{"x", "Müllers Konto", `"quoted" <&>`, "\u2028", "日本"}[g.rand.IntN(5)]
}

// match draws a text that a regular expression of our kind matches.
func (g generator) match(re *syntax.Regexp) string {
	var b strings.Builder
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		i := 2 * g.rand.IntN(len(re.Rune)/2)
		return string(re.Rune[i] + g.rand.Int32N(re.Rune[i+1]-re.Rune[i]+1))
	case syntax.OpConcat:
		for _, part := range re.Sub {
			b.WriteString(g.match(part))
		}
	case syntax.OpQuest:
		if g.rand.IntN(2) == 0 {
			return g.match(re.Sub[0])
		}
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpEmptyMatch:
	default:
		g.t.Fatalf("the generator does not know the expression %v", re)
	}
	return b.String()
}
