package providers

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
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
	node, err := ParseYAML(file, text)
	if err != nil {
		return Profile{}, err
	}
	if node == nil {
		return Profile{}, fmt.Errorf("%s: a profile is needed, and the file is empty", file)
	}
	return overlay(file, base, node)
}

// ProfileFromNode lays one `providers.<name>` mapping of a config over the
// built-in that its key `profile` names (left out: generic). Errors begin with
// `file:line`, where line counts in the document that the node was parsed from.
func ProfileFromNode(file string, node ast.Node) (Profile, error) {
	var head struct {
		Base string `yaml:"profile"`
	}
	if node == nil {
		return Profile{}, fmt.Errorf("%s: the provider is named and not described; write its profile below its name", file)
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
	if err := DecodeStrict(file, node, &p); err != nil {
		return Profile{}, err
	}
	return p, nil
}
