package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pointer says where values stand in a JSON document: a JSON Pointer (RFC 6901)
// in which a segment `*` stands for every element of an array or every member of
// an object, as in `/accounts/*/accountId`. `~0` is `~`, `~1` is `/` and, by our
// own addition, `~2` is `*`: a member that is named by a star is written `/~2`.
type pointer []segment

type segment struct {
	name string
	each bool
}

var unescaper = strings.NewReplacer("~0", "~", "~1", "/", "~2", "*")

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return pointer{}, nil
	}
	if text[0] != '/' {
		return nil, errors.New(`it must begin with "/"`)
	}
	ptr := pointer{}
	for _, s := range strings.Split(text[1:], "/") {
		if bad := strings.NewReplacer("~0", "", "~1", "", "~2", "").Replace(s); strings.Contains(bad, "~") {
			return nil, errors.New("after ~ stands 0 (for ~), 1 (for /) or 2 (for *)")
		}
		ptr = append(ptr, segment{name: unescaper.Replace(s), each: s == "*"})
	}
	return ptr, nil
}

func (ptr pointer) wild() bool {
	for _, s := range ptr {
		if s.each {
			return true
		}
	}
	return false
}

// search is what a pointer found in one document.
type search struct {
	values   []any
	elements int // that the first `*` stood for
}

// find returns all values that the pointer names; null counts as absent. What
// stands before the first `*` must be there, or else an answer of another shape
// would pass for an empty list. Behind it elements may lack what others have.
func (ptr pointer) find(doc any) (search, bool) {
	var s search
	return s, s.walk(doc, ptr, true)
}

func (s *search) walk(at any, rest pointer, strict bool) bool {
	if len(rest) == 0 {
		if at != nil {
			s.values = append(s.values, at)
		}
		return true
	}
	if rest[0].each {
		return s.walkEach(at, rest[1:], strict)
	}
	child, ok := member(at, rest[0].name)
	if !ok {
		return !strict
	}
	return s.walk(child, rest[1:], strict)
}

func (s *search) walkEach(at any, rest pointer, strict bool) bool {
	var children []any
	switch at := at.(type) {
	case []any:
		children = at
	case map[string]any:
		for _, v := range at {
			children = append(children, v)
		}
	case nil: // some servers write an empty list so
	default:
		return !strict
	}
	if strict {
		s.elements = len(children)
	}
	for _, c := range children {
		s.walk(c, rest, false)
	}
	return true
}

func member(at any, name string) (any, bool) {
	switch at := at.(type) {
	case map[string]any:
		v, ok := at[name]
		return v, ok
	case []any:
		i, err := strconv.ParseUint(name, 10, 31)
		if err != nil || name != strconv.FormatUint(i, 10) || i >= uint64(len(at)) {
			return nil, false
		}
		return at[i], true
	}
	return nil, false
}

// maxID is the length of an id in characters.
const maxID = 255

// ids returns the texts of all values, which are strings or numbers.
func (ptr pointer) ids(doc any) ([]string, error) {
	s, ok := ptr.find(doc)
	if !ok {
		return nil, malformed("the answer does not have what the pointer names")
	}
	if len(s.values) == 0 && s.elements > 0 {
		return nil, malformed("no element of the answer has what the pointer names")
	}
	list := make([]string, len(s.values))
	for i, v := range s.values {
		if list[i], ok = idText(v); !ok {
			return nil, malformed(fmt.Sprintf("an id is not a string or number of 1 to %d printable characters", maxID))
		}
	}
	return list, nil
}

// idText returns an id's text; numbers keep their spelling.
func idText(v any) (string, bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	bad := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	return text, text != "" && utf8.RuneCountInString(text) <= maxID && !strings.ContainsFunc(text, bad)
}

// decode reads a whole JSON document, with its numbers as written.
func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, malformed("the answer is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("something stands behind the answer's JSON")
	}
	return doc, nil
}
