package providers

import (
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Sign is how a provider shows one meaning in an error answer, where that
// differs from RFC 6749. In YAML a plain string is the value of `error`.
type Sign struct {
	// Field is the response's field to compare; empty: `error`.
	Field string `yaml:"field"`
	// Error is the exact value of that field.
	Error string `yaml:"error"`
	// Description, when set, must occur in `error_description`. Vendors change
	// such texts without notice: pin it only where nothing else tells.
	Description string `yaml:"description"`
	// Status, when set, must equal the HTTP status.
	Status int `yaml:"status"`
}

// UnmarshalYAML reads a plain error code or the full form.
func (s *Sign) UnmarshalYAML(node ast.Node) error {
	if word, ok := node.(*ast.StringNode); ok {
		*s = Sign{Error: word.Value}
		return nil
	}
	type plain Sign
	var p plain
	if err := yaml.NodeToValue(node, &p, yaml.Strict()); err != nil {
		return err
	}
	if *s = Sign(p); s.Error == "" && s.Description == "" && s.Status == 0 {
		return atNode(node, "a sign that names nothing would match every error: give error, description or status")
	}
	return nil
}
