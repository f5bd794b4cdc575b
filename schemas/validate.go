package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// base is where the schemas' $id say they live. Nothing is ever fetched from there.
const base = "https://schemas.regrant.dev/"

// Error says where data breaks its schema. It holds nothing of the data: the
// names in Location are the schema's own, because a property that the schema
// does not know is reported at the object that has it.
type Error struct {
	// Location is a JSON Pointer (RFC 6901) into the data; empty is the whole.
	Location string
	// Keyword is the schema keyword that failed; "json" where the data is not JSON.
	Keyword string
}

// Error names both.
func (e *Error) Error() string {
	at := e.Location
	if at == "" {
		at = "/"
	}
	return "schema: " + e.Keyword + " fails at " + at
}

// Validate checks data against a schema by its name, e.g. "token-expired.v1".
// The error is an *Error, the first in the order of location where several
// things are wrong, or wraps ErrUnknown. It is safe for concurrent use; the
// first call compiles all schemas.
func Validate(name string, data []byte) error {
	all, err := compiled()
	if err != nil {
		return err
	}
	schema, ok := all[name]
	if !ok {
		return fmt.Errorf("%w %q", ErrUnknown, name)
	}
	// Numbers become float64, not the json.Number that the library would like: it
	// makes fractions of those, so that 1e-999999 costs a tenth of a second and a
	// larger exponent a panic. Our integers stay below 2^53, where both agree.
	var value any
	if json.Unmarshal(data, &value) != nil {
		return &Error{Keyword: "json"}
	}
	var bad *jsonschema.ValidationError
	if err := schema.Validate(value); errors.As(err, &bad) {
		return first(bad)
	} else if err != nil {
		return &Error{Keyword: "schema"}
	}
	return nil
}

// first reduces a tree of errors to the one with the smallest location. The
// library visits properties in random order; we answer the same every time.
func first(bad *jsonschema.ValidationError) *Error {
	if len(bad.Causes) == 0 || isChoice(bad.ErrorKind) {
		return describe(bad)
	}
	return slices.MinFunc(each(bad.Causes), func(a, b *Error) int {
		return strings.Compare(a.Location+" "+a.Keyword, b.Location+" "+b.Keyword)
	})
}

func each(causes []*jsonschema.ValidationError) []*Error {
	found := make([]*Error, len(causes))
	for i, cause := range causes {
		found[i] = first(cause)
	}
	return found
}

// isChoice reports whether the causes are alternatives: none of them is the culprit.
func isChoice(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
		return true
	}
	return false
}

func describe(bad *jsonschema.ValidationError) *Error {
	at := bad.InstanceLocation
	if r, ok := bad.ErrorKind.(*kind.Required); ok {
		at = append(slices.Clone(at), slices.Min(r.Missing))
	}
	e := &Error{Keyword: "schema"}
	for _, word := range at {
		e.Location += "/" + escape.Replace(word)
	}
	if path := bad.ErrorKind.KeywordPath(); len(path) > 0 {
		e.Keyword = path[0]
	}
	return e
}

// escape is RFC 6901 section 3.
var escape = strings.NewReplacer("~", "~0", "/", "~1")

// compiled holds all schemas by name. An error here is a broken build.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	files, err := fs.Glob(FS, "*.json")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(offline{})
	for _, file := range files {
		if err := add(c, file); err != nil {
			return nil, fmt.Errorf("read schema %s: %w", file, err)
		}
	}
	all := make(map[string]*jsonschema.Schema, len(files))
	for _, file := range files {
		s, err := c.Compile(base + file)
		if err != nil {
			return nil, fmt.Errorf("compile schema %s: %w", file, err)
		}
		all[strings.TrimSuffix(file, ".json")] = s
	}
	return all, nil
})

func add(c *jsonschema.Compiler, file string) error {
	text, err := FS.ReadFile(file)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return c.AddResource(base+file, doc)
}

// offline refuses every reference that is not embedded.
type offline struct{}

// Load always fails.
func (offline) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not embedded", url)
}
