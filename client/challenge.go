package client

import (
	"net/http"
	"strings"
)

// deadToken is Config.Dead by RFC 6750 section 3.1: a 401 means a dead token unless
// the API says what else it means, such as insufficient_scope, or that the user must
// authenticate more strongly (RFC 9470). Many APIs say nothing at all.
func deadToken(resp *http.Response) bool {
	code := bearerError(resp.Header)
	return code == "" || code == "invalid_token"
}

// bearerError is the error of the first Bearer challenge that has one (RFC 9110
// section 11.6.1).
func bearerError(h http.Header) string {
	for _, value := range h.Values("WWW-Authenticate") {
		s := challenges{rest: value}
		for s.next() {
			if strings.EqualFold(s.scheme, "Bearer") && strings.EqualFold(s.name, "error") && s.value != "" {
				return s.value
			}
		}
	}
	return ""
}

// challenges walks the parameters of a list of challenges. It is lenient: what is
// malformed is some parameter of some scheme, and no error of a Bearer challenge.
type challenges struct {
	rest                string
	scheme, name, value string
}

// next moves to the next parameter, or to a scheme, which has no name and value.
func (s *challenges) next() bool {
	s.rest = strings.TrimLeft(s.rest, " \t,=")
	if s.rest == "" {
		return false
	}
	if s.rest[0] == '"' { // belongs to nothing
		_ = s.quoted()
		s.name, s.value = "", ""
		return true
	}
	word := s.word()
	after := strings.TrimLeft(s.rest, " \t")
	if !strings.HasPrefix(after, "=") {
		s.scheme, s.name, s.value = word, "", ""
		return true
	}
	s.rest = strings.TrimLeft(after[1:], " \t")
	s.name, s.value = word, ""
	if strings.HasPrefix(s.rest, `"`) {
		s.value = s.quoted()
	} else {
		s.value = s.word()
	}
	return true
}

// word takes up to the next separator.
func (s *challenges) word() string {
	end := strings.IndexAny(s.rest, " \t,=\"")
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

// quoted takes a quoted string; without an end, all that is left.
func (s *challenges) quoted() string {
	var text strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			s.rest = s.rest[i+1:]
			return text.String()
		case '\\':
			i++
		}
		if i < len(s.rest) {
			text.WriteByte(s.rest[i])
		}
	}
	s.rest = ""
	return text.String()
}
