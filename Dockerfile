# Both commands, static, without a shell, not as root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=""
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -o /out/ \
    -ldflags="-s -w -X github.com/regrant/regrant/internal/cli.version=${VERSION}" ./cmd/worker ./cmd/publisher
# A volume takes over the owner of the directory that it covers.
RUN install -d -m 0700 /state/var/lib/regrant /state/keys /state/simulator

# Certificates of public authorities, time zones, and no more.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/worker /out/publisher /usr/local/bin/
COPY --from=build --chown=65532:65532 /state/ /
USER 65532:65532
# Read by `worker run`, which serves there, and by `worker ready`, which asks.
ENV REGRANT_HTTP_ADDR=0.0.0.0:8080
VOLUME ["/var/lib/regrant", "/keys"]
EXPOSE 8080
# Longer than the longest provider call: give `docker stop` --time 150 as well.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/usr/local/bin/worker", "ready"]
ENTRYPOINT ["/usr/local/bin/worker"]
CMD ["run", "--data-dir", "/var/lib/regrant"]
