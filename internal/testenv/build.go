package testenv

import (
	"strings"
	"sync"
	"testing"

	"github.com/regrant/regrant/internal/process"
)

// built holds one build per package and tags of this test binary.
var built sync.Map // string → func() (string, error)

// Build builds the command pkg, an import path or a path from the root of this
// module such as ./cmd/worker, with the build tags, and returns the program's
// path. It builds at most once per test binary; see process.Build.
func Build(t testing.TB, pkg string, tags ...string) string {
	t.Helper()
	key := pkg + " " + strings.Join(tags, ",")
	once, _ := built.LoadOrStore(key, sync.OnceValues(func() (string, error) { return process.Build(pkg, tags...) }))
	program, err := once.(func() (string, error))()
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return program
}
