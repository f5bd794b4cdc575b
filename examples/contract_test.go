package examples_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/regrant/regrant/schemas"
)

// contract is the AsyncAPI document as somebody reads it who has nothing else: which
// headers and which body a message has, by the subject that it is on.
type contract struct {
	compiler *jsonschema.Compiler
	channels map[string]struct {
		Address    string
		Parameters map[string]any
		Messages   map[string]struct {
			Ref string `json:"$ref"`
		}
	}
}

// schemaBase is where the schemas say they live ($id); nothing is fetched.
const schemaBase = "https://schemas.regrant.dev/"

func readContract(t *testing.T) *contract {
	t.Helper()
	c := &contract{compiler: jsonschema.NewCompiler()}
	c.compiler.AssertFormat()
	files, err := fs.Glob(schemas.FS, "*.json")
	must(t, err)
	for _, file := range files {
		text, err := schemas.FS.ReadFile(file)
		must(t, err)
		c.add(t, file, text)
	}
	text, err := schemas.FS.ReadFile(schemas.AsyncAPI)
	must(t, err)
	text, err = yaml.YAMLToJSON(text)
	must(t, err)
	c.add(t, schemas.AsyncAPI, text)
	var doc struct{ Channels json.RawMessage }
	must(t, json.Unmarshal(text, &doc))
	must(t, json.Unmarshal(doc.Channels, &c.channels))
	return c
}

func (c *contract) add(t *testing.T, file string, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	must(t, err)
	must(t, c.compiler.AddResource(schemaBase+file, doc))
}

var parameter = regexp.MustCompile(`\\{[a-z]+\\}`)

// check holds a message against the one that the document has for its subject.
func (c *contract) check(t *testing.T, m *nats.Msg) {
	t.Helper()
	pointer := c.find(m.Subject)
	if pointer == "" {
		t.Errorf("no channel describes %s", m.Subject)
		return
	}
	headers := map[string]any{}
	for name, values := range m.Header {
		headers[name] = strings.Join(values, "\n")
	}
	c.hold(t, m, pointer+"/headers", headers)
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Data))
	must(t, err)
	c.hold(t, m, pointer+"/payload/schema", body)
}

func (c *contract) hold(t *testing.T, m *nats.Msg, pointer string, value any) {
	t.Helper()
	schema, err := c.compiler.Compile(schemaBase + schemas.AsyncAPI + pointer)
	must(t, err)
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s is not what the document says: %v\n%v\n%s", m.Subject, err, m.Header, m.Data)
	}
}

// find is the pointer to the message for a subject.
func (c *contract) find(subject string) string {
	for _, channel := range c.channels {
		form := parameter.ReplaceAllString(regexp.QuoteMeta(channel.Address), `[A-Za-z0-9_-]+`)
		if !regexp.MustCompile("^" + form + "$").MatchString(subject) {
			continue
		}
		name := camel(subject[strings.LastIndexByte(subject, '.')+1:])
		return channel.Messages[name].Ref
	}
	return ""
}

// camel is what the document calls the message of an event.
func camel(name string) string {
	first, rest, _ := strings.Cut(name, "-")
	for _, word := range strings.Split(rest, "-") {
		if word != "" {
			first += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return first
}
