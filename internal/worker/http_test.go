package worker_test

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/regrant/regrant/internal/embedded"
	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/internal/worker"
)

func TestEndpointTellsLifeReadinessAndNumbers(t *testing.T) {
	dir := t.TempDir()
	nats := startNATS(t, dir, -1)
	c := newCell(t, nats.URL())
	l := imported(t, c, 1)[0]
	registry := prometheus.NewRegistry()
	w := start(t, c, "a", func(o *worker.Options) { o.Registry = registry })
	e, err := worker.Serve("127.0.0.1:0", registry, w.Ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, e.Close) })
	report(t, c, l)
	awaitGeneration(t, c, l.Address, 2)

	is := func(path string, want int) string {
		t.Helper()
		code, body := get(t, e, path)
		if code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
		return body
	}
	is("/livez", http.StatusOK)
	is("/readyz", http.StatusOK)
	is("/elsewhere", http.StatusNotFound)
	metrics := is("/metrics", http.StatusOK)
	for _, want := range []string{
		`regrant_presentations_total{class="ok",provider="op"} 1`,
		`regrant_generations_total{cause="refresh",provider="op"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}

	if err := nats.Close(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, limit, "the worker is not ready without NATS", func() bool {
		code, _ := get(t, e, "/readyz")
		return code == http.StatusServiceUnavailable
	})
	is("/livez", http.StatusOK)
	startNATS(t, dir, port(t, nats.URL()))
	testenv.Eventually(t, limit, "the worker is ready again", func() bool {
		code, _ := get(t, e, "/readyz")
		return code == http.StatusOK
	})
}

func TestServeOnAnAddressInUse(t *testing.T) {
	e, err := worker.Serve("127.0.0.1:0", prometheus.NewRegistry(), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWithin(t, e.Close) })
	if _, err := worker.Serve(e.Addr(), prometheus.NewRegistry(), nil); err == nil || !strings.Contains(err.Error(), e.Addr()) {
		t.Fatalf("got %v, want an error that names %s", err, e.Addr())
	}
}

func startNATS(t *testing.T, dir string, port int) *embedded.NATS {
	t.Helper()
	srv, err := embedded.StartNATS(t.Context(), embedded.NATSConfig{Port: port, StoreDir: dir, Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

func port(t *testing.T, server string) int {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func get(t *testing.T, e *worker.Endpoint, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + e.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}
