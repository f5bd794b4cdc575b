# Both commands, static, without a shell, not as root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/worker ./cmd/publisher
# A volume takes over the owner of the directory that it covers.
RUN install -d -m 0700 /state/var/lib/regrant /state/keys

# For the health check: the image has nothing else that can ask /readyz.
FROM busybox:1.37-musl AS probe

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=probe /bin/wget /bin/wget
COPY --from=build /out/worker /out/publisher /usr/local/bin/
COPY --from=build --chown=65532:65532 /state/ /
USER 65532:65532
VOLUME ["/var/lib/regrant", "/keys"]
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/worker"]
CMD ["run", "--data-dir", "/var/lib/regrant"]
