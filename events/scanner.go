package events

import (
	"bytes"
	"encoding/json"
)

// Limits of what Decode accepts. They bound what a hostile or broken sender can
// cost; our own events stay far below them.
const (
	MaxSize    = 64 << 10 // bytes of the body, and of all ce- headers together
	MaxDepth   = 16       // objects and arrays within each other, the envelope included
	MaxMembers = 128      // names in one object
)

// scanner walks a JSON text once, without building anything from it, and refuses
// what would make parsers disagree or labour: deep nesting, huge objects, and
// names that occur twice in an object. Parsers differ in which of the two they
// believe, and Go's match names in any case; so whoever validates could see
// another value than whoever uses it. The text need not be valid JSON: the
// scanner then ends somewhere, and json.Valid says so.
type scanner struct {
	text  []byte
	depth int
	open  [MaxDepth]level
	names [][]byte // of all open objects; each level knows where its own begin
	// wantName is true after "{" and "," in an object.
	wantName bool
	// What the outermost object was seen to have. The numbers are where the text
	// goes on after a name, 0 where the name is absent.
	data, base64, version int
	odd                   bool // a name that no attribute may have
}

type level struct {
	object bool
	first  int
}

func (s *scanner) scan() error {
	for i := 0; i < len(s.text); i++ {
		var err error
		switch c := s.text[i]; c {
		case '{', '[':
			err = s.push(c == '{')
		case '}', ']':
			s.pop()
		case ',':
			s.wantName = s.depth > 0 && s.open[s.depth-1].object
		case '"':
			i, err = s.quoted(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) push(object bool) error {
	if s.depth == MaxDepth {
		return &Invalid{Field: "body", Reason: FaultTooDeep}
	}
	s.open[s.depth] = level{object: object, first: len(s.names)}
	s.depth++
	s.wantName = object
	return nil
}

func (s *scanner) pop() {
	s.wantName = false
	if s.depth > 0 {
		s.depth--
		s.names = s.names[:s.open[s.depth].first]
	}
}

// quoted takes the string that starts at i and returns where it ends.
func (s *scanner) quoted(i int) (int, error) {
	end := i + 1
	for end < len(s.text) && s.text[end] != '"' {
		if s.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.text) || !s.wantName {
		return end, nil
	}
	s.wantName = false
	return end, s.name(i, end)
}

// name notes the name between the quotes at i and end.
func (s *scanner) name(i, end int) error {
	name := s.text[i+1 : end]
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if json.Unmarshal(s.text[i:end+1], &plain) != nil {
			return &Invalid{Field: "body", Reason: FaultUndecodable}
		}
		name = []byte(plain)
	}
	if len(name) == 0 {
		return &Invalid{Field: "body", Reason: FaultMalformed}
	}
	siblings := s.names[s.open[s.depth-1].first:]
	if len(siblings) == MaxMembers {
		return &Invalid{Field: "body", Reason: FaultTooManyMembers}
	}
	for _, other := range siblings {
		if bytes.EqualFold(other, name) {
			return &Invalid{Field: "body", Reason: FaultDuplicate}
		}
	}
	s.names = append(s.names, name)
	if s.depth == 1 {
		s.note(name, end+1)
	}
	return nil
}

func (s *scanner) note(name []byte, after int) {
	switch string(name) {
	case "data":
		s.data = after
	case "data_base64":
		s.base64 = after
	case "specversion":
		s.version = after
	default:
		s.odd = s.odd || !isAttribute(name)
	}
}

// isAttribute reports whether CloudEvents allows the name: [a-z0-9]+. The SDK
// would turn "Data" into an extension called data.
func isAttribute(name []byte) bool {
	for _, c := range name {
		if !isLower(c) && !isDigit(c) {
			return false
		}
	}
	return true
}

// envelope applies the rules for the outermost object of a structured event. It
// also keeps from the SDK's parser what makes it panic: data_base64 that is not
// a string, and several forms of version 0.3. Call it on valid JSON only.
func (s *scanner) envelope() error {
	switch {
	case s.version == 0:
		return &Invalid{Field: "specversion", Reason: FaultMissing}
	case !bytes.HasPrefix(s.value(s.version), []byte(`"1.0"`)):
		return &Invalid{Field: "specversion", Reason: FaultUnsupported}
	case s.odd:
		return &Invalid{Field: "extension", Reason: FaultMalformed}
	case s.base64 == 0:
		return nil
	case s.data != 0:
		return &Invalid{Field: "data_base64", Reason: FaultDuplicate}
	case s.value(s.base64)[0] != '"':
		return &Invalid{Field: "data_base64", Reason: FaultMalformed}
	}
	return nil
}

// value is the text from the value on whose name ends at i.
func (s *scanner) value(i int) []byte { return bytes.TrimLeft(s.text[i:], ": \t\r\n") }
