package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/events"
)

func TestWhetherSpansAreExported(t *testing.T) {
	for name, c := range map[string]struct {
		env    map[string]string
		wanted bool
		err    error
	}{
		"nothing is said":    {},
		"an endpoint":        {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, wanted: true},
		"one of its own":     {env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, wanted: true},
		"an exporter":        {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, wanted: true},
		"none":               {env: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}},
		"switched off":       {env: map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}},
		"one there is not":   {env: map[string]string{"OTEL_TRACES_EXPORTER": "jaeger"}, err: config.ErrConfig},
		"a foreign protocol": {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, err: config.ErrConfig},
	} {
		got, err := tracesWanted(func(key string) string { return c.env[key] })
		if got != c.wanted || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, c.wanted, c.err)
		}
	}
}

// TestTheLastSpansAreExported when the worker stops.
func TestTheLastSpansAreExported(t *testing.T) {
	got := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "named-by-the-environment")
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}
	tracer, end, err := traces(t.Context(), func(key string) string { return env[key] }, "w-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Start(t.Context(), "work-of-a-worker", events.Address{Tenant: "default", Provider: "op", Link: "L1"})
	span.End("")
	end()
	if len(got) != 1 {
		t.Fatalf("%d exports", len(got))
	}
	sent := <-got
	for _, want := range []string{"/v1/traces ", "work-of-a-worker", "named-by-the-environment", "w-1"} {
		if !strings.Contains(sent, want) {
			t.Errorf("%q is not exported", want)
		}
	}
}
