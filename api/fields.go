package api

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/regrant/regrant/events"
)

// Limits of single fields in bytes. Scopes and prompts are counted too.
const (
	maxText   = 256
	maxURI    = 2048
	maxToken  = 32 << 10
	maxScopes = 100
	maxPrompt = 8
)

// first is the first of several complaints.
func first(complaints ...error) error {
	for _, err := range complaints {
		if err != nil {
			return err
		}
	}
	return nil
}

// optional drops the complaint about a field that is left out.
func optional(value string, complaint error) error {
	if value == "" {
		return nil
	}
	return complaint
}

func when(bad bool, field, problem string) error {
	if bad {
		return invalid(field, problem)
	}
	return nil
}

func missing(field string) error { return invalid(field, "is missing") }

func name(field, value string) error {
	if value == "" {
		return missing(field)
	}
	return when(!events.ValidProvider(value), field, "is not a name of [a-z0-9-]{1,32}")
}

func link(field, value string) error {
	a := events.Address{Tenant: "any", Provider: "any", Link: value}
	return when(a.Validate() != nil, field, "is not an id of [A-Za-z0-9_-]{1,64}")
}

// text is for people, or opaque: no control characters, which would draw on
// somebody's terminal.
func text(field, value string, most int) error {
	switch {
	case value == "":
		return missing(field)
	case len(value) > most:
		return invalid(field, "is too long")
	}
	return when(!utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl), field, "holds control characters")
}

// redirect is RFC 6749 section 3.1.2: an absolute URI without a fragment. Whether
// it is registered, the provider knows.
func redirect(field, value string) error {
	if err := text(field, value, maxURI); err != nil {
		return err
	}
	u, err := url.Parse(value)
	return when(err != nil || !u.IsAbs() || strings.Contains(value, "#"), field, "is not an absolute URI without a fragment")
}

func scopes(field string, list []string) error {
	if len(list) > maxScopes {
		return invalid(field, "holds too many scopes")
	}
	for _, scope := range list {
		if scope == "" || len(scope) > maxText || strings.ContainsFunc(scope, notInScope) {
			return invalid(field, "holds what is not a scope: give each scope by itself")
		}
	}
	return nil
}

// notInScope is RFC 6749 section 3.3: printable ASCII but space, quote and backslash.
func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

func words(s string) []string { return strings.Fields(s) }

// prompt is a list of words such as "login consent".
func prompt(field, value string) error {
	list := words(value)
	for _, word := range list {
		if strings.ContainsFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) || len(word) > maxText {
			return invalid(field, "is not words such as login, consent or select_account")
		}
	}
	return when(len(list) == 0 || len(list) > maxPrompt, field, "is not a few words")
}

// token is any printable ASCII (RFC 6749 appendix A.12, A.17).
func token(field string, value Secret) error {
	if len(value) > maxToken {
		return invalid(field, "is too long")
	}
	return when(strings.ContainsFunc(string(value), func(r rune) bool { return r < ' ' || r > '~' }), field, "is not a token")
}
