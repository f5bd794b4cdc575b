package main

import (
	"context"
	"os"
	"path/filepath"
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

func runUntilReady(t *testing.T, file string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := watchFor("worker ready")
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"run", "--config", file, "--http-addr", "127.0.0.1:0"}, cli.IO{In: strings.NewReader(""), Out: out, Err: out})
	}()
	select {
	case <-out.seen:
	case c := <-code:
		t.Fatalf("ended with %d before it was ready:\n%s", c, out)
	}
	stop()
	if c := <-code; c != cli.Done {
		t.Fatalf("ended with %d:\n%s", c, out)
	}
	return out.String()
}
