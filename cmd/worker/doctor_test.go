package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/regrant/regrant/internal/cli"
	"github.com/regrant/regrant/internal/doctor"
)

// What a worker brings itself is durable: it may be required, and the doctor of
// another process knows the server for ours.
func TestEmbeddedNATSIsProvenDurable(t *testing.T) {
	file := embeddedConfig(t, t.TempDir())
	if code, out := runDoctor(t, "--config", file, "--connect-timeout", "10ms"); code != cli.Failed || strings.Contains(out, "tmpfs") {
		if strings.Contains(out, "tmpfs") {
			t.Skip("the temporary directory is in memory: nothing there is durable")
		}
		t.Errorf("without a server the doctor ended with %d:\n%s", code, out)
	}
	runWhileReady(t, file, func(said string) {
		text := "nats: { embedded: \"" + strings.TrimPrefix(embeddedURL.FindStringSubmatch(said)[1], "nats://") + "\" }\n"
		named := replaceLine(t, file, "nats:", text)
		code, out := runDoctor(t, "--config", named, "--json")
		var r doctor.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != cli.Done || r.Status != doctor.OK {
			t.Errorf("the doctor ended with %d, %v:\n%s", code, err, out)
		}
	}, "--require-durable")
}

func runDoctor(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), append([]string{"doctor"}, args...), cli.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String()
}

// replaceLine writes a copy of a file beside it, with another line in the place of the
// one that begins so.
func replaceLine(t *testing.T, file, begins, with string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, begins) {
			lines[i] = with
		}
	}
	other := file + ".named.yaml"
	if err := os.WriteFile(other, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return other
}
