package providers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxPages  = 50
	maxURL    = 8 << 10
	afterThem = "the address of the next page "
)

// listing goes from page to page of one list. It never leaves the scheme and host
// that it began with, for the bearer goes along; it ends with an error, and not
// with part of the list, where it cannot go on: what is missing from a list would
// be taken for lost.
type listing struct {
	first  *url.URL
	next   pointer // nil: only the Link header is looked at
	cursor string  // the query parameter that takes what next names; "": it is a URL
	seen   map[string]bool
}

func (r resources) listing() *listing {
	return &listing{first: r.accounts, next: r.next, cursor: r.cursor, seen: map[string]bool{r.accounts.String(): true}}
}

// after returns the page that follows; nil after the last.
func (l *listing) after(current *url.URL, header http.Header, doc any) (*url.URL, error) {
	at, err := l.successor(current, header, doc)
	if at == nil || err != nil {
		return nil, err
	}
	text := at.String()
	switch {
	case at.User != nil || !sameOrigin(at, l.first):
		return nil, malformed(afterThem + "is on another host; the token does not go there")
	case len(text) > maxURL:
		return nil, malformed(afterThem + "is too long")
	case l.seen[text]:
		return nil, malformed("the pages go round in a circle")
	case len(l.seen) >= maxPages:
		return nil, tooMany("more than %d pages", maxPages)
	}
	l.seen[text] = true
	return at, nil
}

// successor reads where the next page is: the profile's pointer first, then the
// Link header.
func (l *listing) successor(current *url.URL, header http.Header, doc any) (*url.URL, error) {
	text, err := l.pointed(doc)
	switch {
	case err != nil:
		return nil, err
	case text != "" && l.cursor != "":
		at := *l.first
		query := at.Query()
		query.Set(l.cursor, text)
		at.RawQuery = query.Encode()
		return &at, nil
	case text == "":
		var ok bool
		if text, ok = relNext(header); !ok {
			return nil, nil
		}
	}
	at, err := current.Parse(text)
	if err != nil {
		return nil, malformed(afterThem + "is no URL")
	}
	return at, nil
}

// pointed returns what the pointer names; empty after the last page, which shows
// by its absence, by null or by an empty text.
func (l *listing) pointed(doc any) (string, error) {
	if l.next == nil {
		return "", nil
	}
	found, ok := l.next.find(doc)
	if !ok || len(found.values) == 0 {
		return "", nil
	}
	switch v := found.values[0].(type) {
	case string:
		return v, nil
	case json.Number:
		if l.cursor != "" {
			return v.String(), nil
		}
	}
	return "", malformed("accounts_next names neither an address nor a cursor")
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}
