package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/regrant/regrant/internal/cli"
)

// The golden events are the contract's examples: validate must find no fault.
func TestGoldenEventsAreValid(t *testing.T) {
	golden, err := filepath.Glob("../../events/testdata/*.json")
	if err != nil || len(golden) < 10 {
		t.Fatalf("golden events: %v %v", golden, err)
	}
	var out strings.Builder
	code := run(t.Context(), append([]string{"validate"}, golden...), cli.IO{In: strings.NewReader(""), Out: &out, Err: &out})
	if code != cli.Done || strings.Count(out.String(), " ok\n") != len(golden) {
		t.Fatalf("exit code %d:\n%s", code, &out)
	}
}
