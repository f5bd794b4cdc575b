package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regrant/regrant/internal/cli"
)

// The simulator leaves what a stack needs to use it: a secret, and links to import.
func TestASimulatorLeavesASecretAndLinks(t *testing.T) {
	dir := t.TempDir()
	secret, links := filepath.Join(dir, "akoya.secret"), filepath.Join(dir, "links.ndjson")
	ctx, end := context.WithCancel(t.Context())
	said := watchFor("msg=simulator")
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{
			"simulator", "--log-level=info", "--addr=127.0.0.1:8090", "--listen=127.0.0.1:0", "--secret-file", secret, "--links=3", "--links-file", links,
		}, cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: said})
	}()
	select {
	case <-said.seen:
	case c := <-code:
		t.Fatalf("ended with %d: %s", c, said)
	}
	end()
	if c := <-code; c != cli.Done {
		t.Errorf("exit code %d", c)
	}
	if !strings.Contains(said.String(), "http://127.0.0.1:8090/akoya/token") {
		t.Errorf("does not say where it goes by: %s", said)
	}
	text, err := os.ReadFile(links)
	if err != nil || bytes.Count(text, []byte("\n")) != 3 {
		t.Errorf("links: %v\n%d bytes", err, len(text))
	}
	clear, err := os.ReadFile(secret)
	if err != nil || len(clear) < 32 || strings.Contains(said.String(), string(clear)) {
		t.Errorf("secret: %v, %d bytes, or it was logged", err, len(clear))
	}
}

// The health check believes the worker, not the port.
func TestReadySaysWhatTheWorkerSays(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			status = http.StatusNotFound
		}
		http.Error(w, "consumer worker-op: gone", status)
	}))
	defer srv.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	ask := func() (int, string) {
		var said bytes.Buffer
		code := run(t.Context(), []string{"ready", "--http-addr=0.0.0.0:" + port}, cli.IO{In: strings.NewReader(""), Out: &said, Err: &said})
		return code, said.String()
	}
	if code, said := ask(); code != cli.Done || said != "ready\n" {
		t.Errorf("ready: %d %s", code, said)
	}
	status = http.StatusServiceUnavailable
	if code, said := ask(); code != cli.Failed || !strings.Contains(said, "consumer worker-op: gone") {
		t.Errorf("not ready: %d %s", code, said)
	}
}
