package providers

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// ParseYAML returns the body of a text that is one YAML document, nil where it
// is empty. Errors begin with `file:line`.
func ParseYAML(file string, text []byte) (ast.Node, error) {
	doc, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, located(file, err)
	}
	switch {
	case len(doc.Docs) > 1:
		return nil, fmt.Errorf("%s: holds %d YAML documents; write one", file, len(doc.Docs))
	case len(doc.Docs) == 0 || doc.Docs[0].Body == nil || doc.Docs[0].Body.Type() == ast.CommentType:
		return nil, nil
	}
	return doc.Docs[0].Body, nil
}

// DecodeStrict lays a node over *into; unknown keys are refused. Errors begin
// with `file:line` and name the key. They quote no other part of the file, as
// the library's own do: a neighbouring line may hold a password.
func DecodeStrict[T any](file string, node ast.Node, into *T) error {
	if err := yaml.NodeToValue(node, into, yaml.Strict()); err != nil {
		return located(file, placed[T](node, err))
	}
	return nil
}

// placed gives an error without a place, such as the library's about durations,
// the line of the key that causes it.
func placed[T any](node ast.Node, err error) error {
	var own *lineError
	var theirs yaml.Error
	mapping, ok := node.(ast.MapNode)
	if !ok || errors.As(err, &own) || errors.As(err, &theirs) {
		return err
	}
	for each := mapping.MapRange(); each.Next(); {
		var alone T
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

// located puts the file, the line and the key first and leaves out the
// library's excerpt of the source.
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
		return fmt.Errorf("%s:%d: %s", file, line, complaint(theirs))
	}
	return fmt.Errorf("%s: %w", file, err)
}

// complaint is the library's message in the words of whoever wrote the file: by
// key, and without Go's names of fields and types.
func complaint(err yaml.Error) string {
	var unknown *yaml.UnknownFieldError
	var syntax *yaml.SyntaxError
	key := keyOf(err.GetToken())
	if key == "" || errors.As(err, &unknown) || errors.As(err, &syntax) {
		return err.GetMessage()
	}
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%s: %s is needed", key, kindOf(wrong.DstType))
	}
	return key + ": " + err.GetMessage()
}

// keyOf finds the key that a value stands behind.
func keyOf(t *token.Token) string {
	for ; t != nil && t.Prev != nil; t = t.Prev {
		if t.Type == token.MappingValueType {
			return t.Prev.Value
		}
	}
	return ""
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return "a mapping"
	default:
		return "a number"
	}
}
