package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/tracing"
)

// exportEnd bounds the sending of the last spans when a worker stops.
const exportEnd = 5 * time.Second

// traces is where spans go, as the standard OTEL_ variables say. The SDK reads those
// of sampling, batches, resource and endpoint itself; here is decided whether it is
// begun at all, which it is not unless they ask for it.
func traces(ctx context.Context, getenv func(string) string, worker string, log *slog.Logger) (tracing.Tracer, func(), error) {
	wanted, err := tracesWanted(getenv)
	if err != nil || !wanted {
		return tracing.Tracer{}, func() {}, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return tracing.Tracer{}, nil, fmt.Errorf("%w: OTEL_EXPORTER_OTLP_ENDPOINT and its kin: %w", config.ErrConfig, err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "regrant-worker"), attribute.String("service.instance.id", worker)),
		resource.WithFromEnv()) // last: it goes over the name above
	if err != nil {
		return tracing.Tracer{}, nil, fmt.Errorf("%w: OTEL_RESOURCE_ATTRIBUTES: %w", config.ErrConfig, err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans are not exported", "err", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return tracing.New(provider), func() {
		ctx, cancel := context.WithTimeout(context.Background(), exportEnd)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last spans are not exported", "err", err)
		}
	}, nil
}

// tracesWanted: an endpoint or an exporter is named, and nothing says no. What this
// program does not have is refused rather than replaced.
func tracesWanted(getenv func(string) string) (bool, error) {
	if getenv("OTEL_SDK_DISABLED") == "true" {
		return false, nil
	}
	endpoint := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") + getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); {
	case exporter == "none", exporter == "" && endpoint == "":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("%w: OTEL_TRACES_EXPORTER: a worker has otlp and none", config.ErrConfig)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := getenv(name); protocol != "" && protocol != "http/protobuf" {
			return false, fmt.Errorf("%w: %s: a worker speaks http/protobuf alone; set that, and the collector's port for it (4318)", config.ErrConfig, name)
		}
	}
	return true, nil
}
