package providers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestPointersThatAreNone(t *testing.T) {
	for _, text := range []string{"a", "a/b", "/~", "/~3", "/a~", "/~~0", "*"} {
		if _, err := parsePointer(text); err == nil {
			t.Errorf("%q is taken for a pointer", text)
		}
	}
}

// The examples of RFC 6901, 5, and what we add.
func TestPointersOfTheStandard(t *testing.T) {
	doc, err := decode([]byte(`{"foo":["bar","baz"],"":"0","a/b":"1","c%d":"2","e^f":"3","g|h":"4","i\\j":"5","k\"l":"6"," ":"7","m~n":"8","*":"9","~1":"10"}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"/foo/0": "bar", "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4", `/i\j`: "5", `/k"l`: "6",
		"/ ": "7", "/m~0n": "8", "/~2": "9", "/~01": "10",
	} {
		ptr, err := parsePointer(text)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := ptr.find(doc); !ok || len(s.values) != 1 || s.values[0] != want {
			t.Errorf("%s: %v, want %s", text, s.values, want)
		}
	}
	for _, text := range []string{"/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/bar", "/nope", "/foo/99999999999999999999", "/a~1b/x"} {
		ptr, _ := parsePointer(text)
		if s, ok := ptr.find(doc); ok {
			t.Errorf("%s names %v", text, s.values)
		}
	}
}

func FuzzPointer(f *testing.F) {
	for _, text := range []string{"", "/", "/accounts/*/id", "/a~1b/~0/~2", "/~", "x", "/*/*/*", "/0/-1/00"} {
		f.Add(text, `{"accounts":[{"id":"a"},{"id":7}],"*":[[["x"]]]}`)
	}
	f.Add("/*", `[1,null,true,"\ud800",{}]`)
	f.Fuzz(func(t *testing.T, text, body string) {
		ptr, err := parsePointer(text)
		if err != nil {
			return
		}
		doc, err := decode([]byte(body))
		if err != nil {
			return
		}
		ids, err := ptr.ids(doc)
		if err != nil && ids != nil {
			t.Error("part of a list beside an error")
		}
		for _, id := range ids {
			if _, ok := idText(id); !ok {
				t.Errorf("%q is no id", id)
			}
		}
	})
}

// Whatever a server says, the next page is on its own host, new and within bounds.
func FuzzNextPage(f *testing.F) {
	for _, link := range []string{`<?p=2>; rel="next"`, `<//evil.example>;rel=next`, `<a>; rel="prev next"; x="\","`, `<>;rel=next`, `<a`, `;,"`, `<https://op.example:443/x#y>; rel=next`, "<http://op.example/>;rel=next", `<//OP.eXample>;rel=next`} {
		f.Add(link, `{"next":"https://op.example@evil.example/"}`, "")
		f.Add(link, `{"next":7}`, "cursor")
	}
	f.Fuzz(func(t *testing.T, link, body, cursor string) {
		doc, err := decode([]byte(body))
		if err != nil {
			doc = nil
		}
		first, _ := url.Parse("https://op.example/accounts?size=2")
		l := resources{accounts: first, next: pointer{{name: "next"}}, cursor: cursor}.listing()
		at := first
		for range 3 {
			next, err := l.after(at, http.Header{"Link": {link}}, doc)
			if err != nil || next == nil {
				return
			}
			if next.Scheme != "https" || !strings.EqualFold(next.Hostname(), "op.example") || port(next) != "443" || next.User != nil || next.String() == at.String() {
				t.Fatalf("the bearer goes to %s", next)
			}
			at = next
		}
	})
}

func TestRelNext(t *testing.T) {
	for link, want := range map[string]string{
		`<a>; rel="next"`: "a", `<a>;REL=Next`: "a", `<a>; rel = "last next first"`: "a", `<p>; rel=prev,<n>; rel=next`: "n",
		`<a,b;c>; rel=next`: "a,b;c", `<a>; title="x,y;\"z"; rel=next`: "a", `<>; rel=next`: "",
		`<a>; rel=prev; rel=next`: "-", `<a>; rel=nextish`: "-", `<a`: "-", `a; rel=next`: "-", ``: "-", `<a>; rel=next; anchor="#x"`: "-",
		`<a>; rel="ne\xt"`: "a",
	} {
		got, ok := relNext(http.Header{"Link": {"", link}})
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}
