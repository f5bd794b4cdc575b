package providers

import (
	"net/http"
	"strings"
)

// relNext returns the target of the first link with rel=next (RFC 8288, 3). A
// link with an anchor is about another resource. What cannot be parsed is left
// out, as that section has it.
func relNext(header http.Header) (string, bool) {
	for _, rest := range header.Values("Link") {
		for rest != "" {
			var one string
			one, rest = cutOutside(rest, ',')
			if target, ok := nextTarget(one); ok {
				return target, true
			}
		}
	}
	return "", false
}

// nextTarget reads one link: `<target>; rel="next"; …`.
func nextTarget(link string) (string, bool) {
	link, ok := strings.CutPrefix(strings.TrimSpace(link), "<")
	if !ok {
		return "", false
	}
	target, params, ok := strings.Cut(link, ">")
	if !ok {
		return "", false
	}
	relations, anchored := "", false
	for params != "" {
		var one string
		one, params = cutOutside(params, ';')
		name, value, _ := strings.Cut(one, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "rel":
			if relations == "" { // the first one counts
				relations = unquote(value)
			}
		case "anchor":
			anchored = true
		}
	}
	for _, r := range strings.Fields(relations) {
		if strings.EqualFold(r, "next") {
			return target, !anchored
		}
	}
	return "", false
}

// cutOutside cuts at the first separator that stands neither in quotes nor in <>.
func cutOutside(s string, sep byte) (before, after string) {
	quoted, bracketed := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !bracketed:
			quoted = !quoted
		case quoted:
		case c == '<':
			bracketed = true
		case c == '>':
			bracketed = false
		case c == sep && !bracketed:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote returns what a parameter's value says, quoted or not.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	inner, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return value
	}
	return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `\`, "")
}
