package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/regrant/regrant/audit"
)

// An action that is in neither list could be written by nobody: permissions are made
// from the lists.
func TestEveryActionIsSomebodys(t *testing.T) {
	all := slices.Concat(audit.ByWorkers(), audit.ByOperators())
	file, err := parser.ParseFile(token.NewFileSet(), "entry.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Action" {
			return true
		}
		declared++
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !slices.Contains(all, audit.Action(value)) {
			t.Errorf("%s is in neither list (%v)", spec.Names[0].Name, err)
		}
		return true
	})
	if declared != len(all) {
		t.Errorf("%d actions are declared, %d are listed", declared, len(all))
	}
}
