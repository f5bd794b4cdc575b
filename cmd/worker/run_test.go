package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/regrant/regrant/internal/cli"
)

// watched is an output that says when a text has been written to it.
type watched struct {
	mu   sync.Mutex
	all  strings.Builder
	text string
	seen chan struct{}
}

func watchFor(text string) *watched { return &watched{text: text, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	if w.text != "" && strings.Contains(w.all.String(), w.text) {
		w.text = ""
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// With nothing but a provider in its file, a worker brings NATS, a lock server
// and keys; told to end, it ends well; and the next one finds what it left.
func TestEmbeddedRunStartsEndsAndStartsAgain(t *testing.T) {
	dir := t.TempDir()
	file := embeddedConfig(t, dir)
	said := runUntilReady(t, file)
	for _, want := range []string{"made new keys", "embedded NATS", "embedded lock server", "created=\"[REGRANT_IN"} {
		if !strings.Contains(said, want) {
			t.Errorf("the first start does not say %q:\n%s", want, said)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "data", "keys.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("keys: %v %v", info, err)
	}
	if said := runUntilReady(t, file); strings.Contains(said, "made new keys") || !strings.Contains(said, "created=[]") {
		t.Errorf("the second start did not find what the first had made:\n%s", said)
	}
}

// embeddedConfig writes the configuration of a worker that brings its own servers.
func embeddedConfig(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "regrant.yaml")
	for name, text := range map[string]string{
		"op.secret": "a secret",
		"regrant.yaml": `data_dir: data
nats: { embedded: "127.0.0.1:0" }
redis: { embedded: "127.0.0.1:0" }
lock_ttl: 2s
providers:
  op: { token_url: "https://op.example.com/token", client_id: c, client_secret_file: op.secret, auth_style: basic, id_token_algs: [] }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

var embeddedURL = regexp.MustCompile(`embedded NATS" url=(\S+)`)

// New keys in place of lost ones would open none of the links that are there.
func TestLostKeysAreNotReplacedWhereLinksAre(t *testing.T) {
	dir := t.TempDir()
	file := embeddedConfig(t, dir)
	const line = `{"provider":"op","link":"L1","user":"u","sub":"s","access_token":"a","refresh_token":"r","expires_at":"2100-01-01T00:00:00Z"}`
	runWhileReady(t, file, func(said string) {
		out := watchFor("")
		code := run(t.Context(), []string{"links", "import", "--config", file, "--nats-url", embeddedURL.FindStringSubmatch(said)[1]},
			cli.IO{In: strings.NewReader(line), Out: out, Err: out})
		if code != cli.Done {
			t.Errorf("import ended with %d:\n%s", code, out)
		}
	})
	keys := filepath.Join(dir, "data", "keys.json")
	if err := os.Rename(keys, keys+".copy"); err != nil {
		t.Fatal(err)
	}
	out := watchFor("")
	code := run(t.Context(), []string{"run", "--config", file}, cli.IO{In: strings.NewReader(""), Out: out, Err: out})
	if code != cli.BadInput || !strings.Contains(out.String(), "restore it") {
		t.Errorf("without its keys the worker ended with %d:\n%s", code, out)
	}
	if _, err := os.Stat(keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("keys were made in place of those that are lost: %v", err)
	}
}

var servedAt = regexp.MustCompile(`msg=serving http=(\S+)`)

// Whoever watches a worker must not take one that waits for NATS for a dead one,
// nor for a ready one; and it may be told to end while it waits.
func TestProbesAreAnsweredWhileNATSIsAway(t *testing.T) {
	file := embeddedConfig(t, t.TempDir())
	if code := run(t.Context(), []string{"keys", "new", "--config", file}, cli.IO{Out: io.Discard, Err: io.Discard}); code != cli.Done {
		t.Fatalf("keys new ended with %d", code)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := watchFor("NATS is not reached yet")
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"run", "--config", file, "--nats-url", "nats://127.0.0.1:1", "--redis-url", "redis://127.0.0.1:1", "--http-addr", "127.0.0.1:0"},
			cli.IO{In: strings.NewReader(""), Out: out, Err: out})
	}()
	select {
	case <-out.seen:
	case c := <-code:
		t.Fatalf("ended with %d:\n%s", c, out)
	}
	at := servedAt.FindStringSubmatch(out.String())[1]
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/metrics": http.StatusOK} {
		answer, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, answer.Status, want)
		}
	}
	stop()
	if c := <-code; c != cli.Done || !strings.Contains(out.String(), "told to end before") {
		t.Errorf("told to end, it ended with %d:\n%s", c, out)
	}
}

func runUntilReady(t *testing.T, file string, flags ...string) string {
	t.Helper()
	return runWhileReady(t, file, func(string) {}, flags...)
}

// runWhileReady runs a worker, calls then with what it has said once it is
// ready, and tells it to end.
func runWhileReady(t *testing.T, file string, then func(said string), flags ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := watchFor("worker ready")
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"run", "--config", file, "--http-addr", "127.0.0.1:0"}, flags...), cli.IO{In: strings.NewReader(""), Out: out, Err: out})
	}()
	select {
	case <-out.seen:
	case c := <-code:
		t.Fatalf("ended with %d before it was ready:\n%s", c, out)
	}
	then(out.String())
	stop()
	if c := <-code; c != cli.Done {
		t.Fatalf("ended with %d:\n%s", c, out)
	}
	return out.String()
}
