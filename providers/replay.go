package providers

import (
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// ReplayKind is the family of a replay rule.
type ReplayKind int

// The zero kind is the careful one.
const (
	// ReplayForbidden: a second presentation may revoke the grant. Also what
	// `unknown` means.
	ReplayForbidden ReplayKind = iota
	// ReplaySafe: the token may be presented any number of times.
	ReplaySafe
	// ReplayGrace: again within Window of the first presentation.
	ReplayGrace
	// ReplayUntilSuccessorUsed: again within Window while no bearer of the
	// successor was used.
	ReplayUntilSuccessorUsed
)

var replayNames = [...]string{"forbidden", "safe", "grace", "until_successor_used"}

func (k ReplayKind) String() string {
	if k < 0 || int(k) >= len(replayNames) {
		return "forbidden"
	}
	return replayNames[k]
}

// Replay says what may be done when the outcome of a presentation is unknown.
// In YAML: `safe`, `forbidden`, `unknown`, `{grace: 30s}` or
// `{until_successor_used: 720h}`. The zero Replay is forbidden.
type Replay struct {
	Kind ReplayKind
	// Window is set for ReplayGrace and ReplayUntilSuccessorUsed only.
	Window time.Duration
}

func (r Replay) String() string {
	if r.Window > 0 {
		return fmt.Sprintf("%s %s", r.Kind, r.Window)
	}
	return r.Kind.String()
}

// MarshalYAML writes what UnmarshalYAML reads.
func (r Replay) MarshalYAML() (any, error) {
	if r.Window > 0 {
		return map[string]string{r.Kind.String(): r.Window.String()}, nil
	}
	return r.Kind.String(), nil
}

// UnmarshalYAML reads either form.
func (r *Replay) UnmarshalYAML(node ast.Node) error {
	const want = "write replay as safe, forbidden, unknown, {grace: 30s} or {until_successor_used: 720h}"
	if word, ok := node.(*ast.StringNode); ok {
		switch word.Value {
		case "safe":
			*r = Replay{Kind: ReplaySafe}
			return nil
		case "forbidden", "unknown":
			*r = Replay{}
			return nil
		}
		return atNode(node, "%q is no replay rule: %s", word.Value, want)
	}
	var w struct {
		Grace *time.Duration `yaml:"grace"`
		Until *time.Duration `yaml:"until_successor_used"`
	}
	if err := yaml.NodeToValue(node, &w, yaml.Strict()); err != nil {
		var unknown *yaml.UnknownFieldError
		if errors.As(err, &unknown) {
			return err
		}
		return atNode(node, "this is no replay rule: %s", want)
	}
	switch {
	case w.Grace != nil && w.Until == nil && *w.Grace > 0:
		*r = Replay{Kind: ReplayGrace, Window: *w.Grace}
	case w.Until != nil && w.Grace == nil && *w.Until > 0:
		*r = Replay{Kind: ReplayUntilSuccessorUsed, Window: *w.Until}
	default:
		return atNode(node, "one rule with a positive duration is needed: %s", want)
	}
	return nil
}
