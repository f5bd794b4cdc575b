package providers

import (
	"errors"

	"github.com/goccy/go-yaml/ast"
)

var errNotBuilt = errors.New("not built yet")

// Builtin returns a fresh copy of a built-in profile.
func Builtin(name string) (Profile, error) { return Profile{}, errNotBuilt }

// BuiltinNames lists the built-in profiles in alphabetical order.
func BuiltinNames() []string { return nil }

// ParseProfile lays YAML over a base profile. Unknown fields are refused; errors
// begin with `name:line`.
func ParseProfile(name string, base Profile, text []byte) (Profile, error) {
	return Profile{}, errNotBuilt
}

// ProfileFromNode lays one `providers.<name>` mapping of a config over the
// built-in that its key `profile` names (left out: generic). Errors begin with
// `file:line`, where line counts in the document that the node was parsed from.
func ProfileFromNode(file string, node ast.Node) (Profile, error) {
	return Profile{}, errNotBuilt
}

// Validate reports everything that keeps the profile from being used, naming
// each field and what to write.
func (p Profile) Validate(name string) error { return errNotBuilt }
