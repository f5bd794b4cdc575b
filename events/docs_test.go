package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/schemas"
)

const docsFile = "../docs/events.md"

// The page is written from the schemas: `go test ./events -run Docs -update`.
func TestDocsFollowTheSchemas(t *testing.T) {
	page := docs(t)
	if *update {
		if err := os.WriteFile(docsFile, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, page) {
		t.Errorf("%s is not what the schemas say; run `go test ./events -run Docs -update`", docsFile)
	}
}

const docsHead = `# Events

Written from the JSON Schemas in [schemas](../schemas) by ` + "`go test ./events -run Docs -update`" + `; do not edit.

Every event is a CloudEvent 1.0 in structured JSON. Its ` + "`type` is `dev.regrant.<name>.v1`, its `subject`" + ` the id of
the link, and it stands on ` + "`<prefix>.<in|out>.<tenant>.<provider>.<link>.<name>`" + `. No event holds a token. Inputs are what
reporters and callbacks send; outputs are announced at least once, with the same id however often, and their
` + "`sequence`" + ` counts the events of one link. Fields in bold are always there.
`

func docs(t *testing.T) []byte {
	t.Helper()
	var page bytes.Buffer
	page.WriteString(docsHead)
	for _, part := range []struct {
		title string
		input bool
	}{{"Inputs", true}, {"Outputs", false}} {
		fmt.Fprintf(&page, "\n## %s\n", part.title)
		for _, n := range events.Names() {
			if n.Input() == part.input {
				describe(t, &page, n)
			}
		}
	}
	return page.Bytes()
}

// property is what the page says of a field.
type property struct {
	Ref         string           `json:"$ref"`
	Description string           `json:"description"`
	Type        string           `json:"type"`
	Enum        []string         `json:"enum"`
	Items       *json.RawMessage `json:"items"`
}

func describe(t *testing.T, page *bytes.Buffer, n events.Name) {
	t.Helper()
	var s struct {
		Title, Description string
		Required           []string
		Properties         json.RawMessage
	}
	text, err := schemas.Get(n.Schema())
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(page, "\n### %s\n\n%s. %s\n\n| field | is | |\n|---|---|---|\n", n, strings.TrimSuffix(s.Title, "."), s.Description)
	shared := definitions(t)
	var fields map[string]property
	if err := json.Unmarshal(s.Properties, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range inOrder(t, s.Properties) {
		p := fields[name]
		if p.Description == "" {
			p.Description = shared[p.kind()].Description
		}
		if slices.Contains(s.Required, name) {
			name = "**" + name + "**"
		}
		fmt.Fprintf(page, "| %s | %s | %s |\n", name, p.kind(), p.Description)
	}
}

// definitions are what the schemas refer to.
func definitions(t *testing.T) map[string]property {
	t.Helper()
	var defs struct {
		Defs map[string]property `json:"$defs"`
	}
	text, err := schemas.Get("defs.v1")
	if err == nil {
		err = json.Unmarshal(text, &defs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return defs.Defs
}

func (p property) kind() string {
	switch {
	case p.Ref != "":
		return p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]
	case len(p.Enum) > 0:
		return strings.Join(p.Enum, ", ")
	case p.Items != nil:
		return "list"
	}
	return p.Type
}

// inOrder lists an object's members as they are written.
func inOrder(t *testing.T, object []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return names
}
