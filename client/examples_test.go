package client_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// Whoever looks an entry up finds how it is used.
func TestEachEntryHasAnExample(t *testing.T) {
	pkg := documented(t)
	var lacking []string
	note := func(name string, examples []*doc.Example) {
		if len(examples) == 0 && !slices.Contains(plain, name) {
			lacking = append(lacking, name)
		}
	}
	for _, f := range pkg.Funcs {
		note(f.Name, f.Examples)
	}
	for _, each := range pkg.Types {
		for _, f := range each.Funcs {
			note(f.Name, f.Examples)
		}
		for _, m := range each.Methods {
			note(each.Name+"."+m.Name, m.Examples)
		}
	}
	if len(lacking) > 0 {
		t.Errorf("no example of %s", strings.Join(lacking, ", "))
	}
}

// plain need none of their own: they are in others' examples, or fmt's and errors' way
// to a value.
var plain = []string{
	"Client.Close", "Link.Address", "Sessions.Keep", "Sessions.Forget", "Sessions.Stop",
	"Error.Error", "Error.Unwrap", "Token.String", "Token.GoString", "Token.Format", "Token.LogValue",
}

func documented(t *testing.T) *doc.Package {
	t.Helper()
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") {
			continue
		}
		f, err := parser.ParseFile(set, n.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == "client" || strings.HasPrefix(n.Name(), "example_") {
			files = append(files, f)
		}
	}
	pkg, err := doc.NewFromFiles(set, files, "github.com/regrant/regrant/client")
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}
