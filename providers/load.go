package providers

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

//go:embed profiles/*.yaml
var builtins embed.FS

// generic is the built-in that knows nothing; every other is laid over it.
const generic = "generic"

// Builtin returns a fresh copy of a built-in profile. It has no addresses and no
// credentials, so it does not pass Validate by itself.
func Builtin(name string) (Profile, error) {
	if !slices.Contains(BuiltinNames(), name) {
		return Profile{}, fmt.Errorf("there is no built-in profile %q; choose one of %s", name, strings.Join(BuiltinNames(), ", "))
	}
	base := Profile{}
	if name != generic {
		var err error
		if base, err = Builtin(generic); err != nil {
			return Profile{}, err
		}
	}
	file := "profiles/" + name + ".yaml"
	text, err := builtins.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("built-in profile %s: %w", name, err)
	}
	p, err := ParseProfile(file, base, text)
	p.Base = name
	return p, err
}

// BuiltinNames lists the built-in profiles in alphabetical order.
func BuiltinNames() []string {
	entries, err := builtins.ReadDir("profiles")
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(path.Base(e.Name()), ".yaml"))
	}
	return names
}

// ParseProfile lays YAML over a base profile: keys that are present replace, all
// others stay; lists are replaced whole. Unknown keys are refused. Errors begin
// with `file:line`.
func ParseProfile(file string, base Profile, text []byte) (Profile, error) {
	doc, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Profile{}, located(file, err)
	}
	if len(doc.Docs) != 1 || doc.Docs[0].Body == nil {
		return Profile{}, fmt.Errorf("%s: one YAML document with a mapping is needed", file)
	}
	return overlay(file, base, doc.Docs[0].Body)
}

// ProfileFromNode lays one `providers.<name>` mapping of a config over the
// built-in that its key `profile` names (left out: generic). Errors begin with
// `file:line`, where line counts in the document that the node was parsed from.
func ProfileFromNode(file string, node ast.Node) (Profile, error) {
	var head struct {
		Base string `yaml:"profile"`
	}
	if err := yaml.NodeToValue(node, &head); err != nil {
		return Profile{}, located(file, err)
	}
	if head.Base == "" {
		head.Base = generic
	}
	base, err := Builtin(head.Base)
	if err != nil {
		return Profile{}, located(file, atNode(node, "%s", err.Error()))
	}
	return overlay(file, base, node)
}

func overlay(file string, base Profile, node ast.Node) (Profile, error) {
	p := base
	if err := yaml.NodeToValue(node, &p, yaml.Strict()); err != nil {
		return Profile{}, located(file, placed(node, err))
	}
	return p, nil
}

// placed gives an error without a place, such as the library's about durations,
// the line of the key that causes it.
func placed(node ast.Node, err error) error {
	var own *lineError
	var theirs yaml.Error
	mapping, ok := node.(ast.MapNode)
	if !ok || errors.As(err, &own) || errors.As(err, &theirs) {
		return err
	}
	for each := mapping.MapRange(); each.Next(); {
		var alone Profile
		if bad := yaml.NodeToValue(each.KeyValue(), &alone, yaml.Strict()); bad != nil {
			return atNode(each.Key(), "%s: %s", each.Key().String(), bad.Error())
		}
	}
	return err
}

// lineError is a complaint about a place in a document.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

func atNode(node ast.Node, format string, args ...any) error {
	e := &lineError{text: fmt.Sprintf(format, args...)}
	if t := node.GetToken(); t != nil && t.Position != nil {
		e.line = t.Position.Line
	}
	return e
}

// located puts the file and line first and leaves out the library's excerpt of
// the source, which may show a neighbouring line that should not be in a log.
func located(file string, err error) error {
	var own *lineError
	if errors.As(err, &own) {
		return fmt.Errorf("%s:%d: %s", file, own.line, own.text)
	}
	var theirs yaml.Error
	if errors.As(err, &theirs) {
		line := 0
		if t := theirs.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
		return fmt.Errorf("%s:%d: %s", file, line, theirs.GetMessage())
	}
	return fmt.Errorf("%s: %w", file, err)
}
