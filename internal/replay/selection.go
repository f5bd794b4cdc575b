package replay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/events"
	"github.com/regrant/regrant/inbox"
)

// Selection chooses what is replayed: inputs, or with To outputs. Empty parts choose all.
type Selection struct {
	Types []events.Name `json:"types,omitempty"`
	events.Address
	// Since and Until bound the time of storing; Until itself is left out.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// First and Last bound the sequence, both included. Last is set when a run begins: what
	// is stored meanwhile, by the run itself too, is not history.
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	// To is the subject that outputs are sent to.
	To string `json:"to,omitempty"`
}

// ErrSelection marks selections that cannot be replayed.
var ErrSelection = errors.New("cannot be replayed")

// Validate says what is wrong with a selection in a cell.
func (s Selection) Validate(names bus.Names) error {
	any := events.Address{Tenant: cmp.Or(s.Tenant, "any"), Provider: cmp.Or(s.Provider, "any"), Link: cmp.Or(s.Link, "any")}
	if err := any.Validate(); err != nil {
		return err
	}
	for i, name := range s.Types {
		if err := s.takes(name, slices.Contains(s.Types[:i], name)); err != nil {
			return err
		}
	}
	switch {
	case !s.Until.IsZero() && s.Until.Before(s.Since), s.Last != 0 && s.Last < s.First:
		return fmt.Errorf("%w: the selection ends before it begins", ErrSelection)
	case s.To != "":
		return target(names, s.To)
	}
	return nil
}

// takes refuses a type that is none, or that goes another way.
func (s Selection) takes(name events.Name, twice bool) error {
	switch {
	case !name.Known():
		return fmt.Errorf("%w: --type: %q is no event", ErrSelection, name)
	case twice:
		return fmt.Errorf("%w: --type: %s is named twice", ErrSelection, name)
	case name.Input() && s.To != "":
		return fmt.Errorf("%w: --type: %s is an input, and goes to the workers: leave --to out", ErrSelection, name)
	case !name.Input() && s.To == "":
		return fmt.Errorf("%w: --type: %s is an output: say with --to which subject it is sent to", ErrSelection, name)
	}
	return nil
}

// target refuses a subject under which a replayed output would be more than a message
// to its subscriber: the cell's own, the server's, and somebody's inbox.
func target(names bus.Names, subject string) error {
	prefix, _, _ := strings.Cut(names.Subjects().OutAll(), ".out.")
	switch {
	case strings.HasPrefix(subject, "$"), strings.HasPrefix(subject, "_"):
		return fmt.Errorf("%w: --to: %q belongs to the server or to somebody's replies: name a subject of your own", ErrSelection, subject)
	case within(prefix, subject):
		return fmt.Errorf("%w: --to: %q belongs to the cell, and others would receive it: name a subject of your own", ErrSelection, subject)
	case strings.ContainsAny(subject, "*> \t\r\n"):
		return fmt.Errorf("%w: --to: %q is not one subject", ErrSelection, subject)
	}
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" {
			return fmt.Errorf("%w: --to: %q has an empty part", ErrSelection, subject)
		}
	}
	return nil
}

// spec is how a selection is read, from after a sequence that is done.
func (s Selection) spec(names bus.Names, done uint64) bus.WatchSpec {
	spec := bus.WatchSpec{Stream: names.In(), Since: s.Since, Stored: true, From: s.First}
	filter := names.Subjects().InputFilter
	if s.To != "" {
		spec.Stream, filter = names.Out(), names.Subjects().OutFilter
	}
	for _, name := range s.Types {
		spec.Subjects = append(spec.Subjects, filter(s.Address, name))
	}
	if len(s.Types) == 0 {
		spec.Subject = filter(s.Address, "")
	}
	if done != 0 {
		spec.From = done + 1
	}
	return spec
}

// place says where a message lies to a selection: past its end, or before its beginning.
func (s Selection) place(m *inbox.Message) (past, before bool) {
	past = m.Sequence > s.Last || !s.Until.IsZero() && !m.StoredAt.Before(s.Until)
	return past, m.Sequence < s.First || m.StoredAt.Before(s.Since)
}
