# `make help` lists the targets. CI runs .ci/run, which is `make ci`.
GO       ?= go
LINT     := $(GO) tool -modfile=tools/go.mod golangci-lint
PKGS     ?= ./...
# The tests that kill a worker at every step; `go test ./...` runs a sample of them.
CRASHPKG ?= ./internal/crash/

.DEFAULT_GOAL := help
.PHONY: help build test race vet fmt lint schemas alerts model model-quick crashpoints safeguards simulate services cluster keys replay demo torture torture-short permissions bench bench-go ci tools clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## both commands, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

test: ## all tests (PKGS=./links/... for some)
	$(GO) test $(PKGS)

race: ## all tests under the race detector, in short form
	$(GO) test -race -short $(PKGS)

vet: ## go vet, with and without failpoints
	$(GO) vet $(PKGS)
	$(GO) vet -tags failpoint ./cmd/worker

fmt: ## format in place
	$(LINT) fmt

lint: ## pinned golangci-lint, import table included (first build of it: 1-2 minutes)
	$(LINT) run $(PKGS)

schemas: ## JSON Schemas, AsyncAPI document, Go types and golden events agree
	$(GO) test -count=1 ./schemas/ ./events/
	$(GO) build -o bin/publisher ./cmd/publisher
	for f in events/testdata/*.json; do bin/publisher validate "$$f" >/dev/null || exit 1; done

alerts: ## the alert rules load, and fire when they should (needs promtool)
	promtool check rules deploy/prometheus/alerts.yaml
	promtool test rules deploy/prometheus/alerts_test.yaml

model: ## check the protocol's model, all of it (8 minutes; needs spin and gcc)
	sh docs/model/check.sh

model-quick: ## its mutations and the small checks only (2 minutes)
	sh docs/model/check.sh quick

crashpoints: ## kill a worker before and after every durable step, under every replay rule
	REGRANT_CRASH=full $(GO) test -count=1 -timeout 20m $(CRASHPKG)

safeguards: ## take each safeguard out of the procedure, and see its test fail
	$(GO) run ./internal/safeguards

simulate: ## workers among simulated servers, faults at every step, for FOR=2m from seed FROM=1; SEED=n replays one
	REGRANT_SIMULATE=$(or $(FOR),2m) REGRANT_FROM=$(FROM) REGRANT_SEED=$(filter-out 0,$(SEED)) $(GO) test -count=1 -v -timeout 0 -run '^TestSimulate$$' ./handlers/

services: ## 20 services for two minutes, 10,000 rotations under a subscriber that is killed (10 minutes)
	REGRANT_SERVICES=full $(GO) test -count=1 -timeout 20m ./internal/services/

permissions: ## write docs/nats.conf and docs/permissions.md, tried on real servers
	$(GO) test -count=1 ./internal/permissions/ -update

cluster: ## servers of a NATS and a Redis cluster killed under a storm (5 minutes; needs redis-server)
	REGRANT_CLUSTER=full REGRANT_TEST_REDIS=required $(GO) test -count=1 -v -timeout 20m ./internal/cluster/

keys: ## sealing keys rotated, resealed and destroyed while 1,000 links are refreshed over and over (some minutes)
	REGRANT_KEYS=full $(GO) test -count=1 -timeout 20m -run KeysAreRotated -v ./internal/fleet/

replay: ## replay a history of 50,000 mixed events twice: nothing is presented, no link changes (6 minutes)
	REGRANT_REPLAY=50000 $(GO) test -count=1 -timeout 60m -run TestAReplayedHistory -v ./internal/replay/

FOR      ?= 2m
SEED     ?= 0
torture: ## everything killed, stopped and cut for FOR=30m, judged; beside a fleet with a lock alone (SEED=n replays)
	$(GO) run ./internal/torture -for $(FOR) -seed $(SEED) $(TORTURE)

torture-short: ## the same in two minutes, all in all
	$(GO) run ./internal/torture -for 40s -seed $(if $(filter 0,$(SEED)),1,$(SEED)) -lock-only-for 45s

demo: ## the storm, with embedded servers and simulated providers
	$(GO) run ./cmd/worker demo

bench: ## how near Regrant is to the machine's limit, into docs/ (a quarter of an hour; needs redis-server; BENCH="-rows 2,3")
	$(GO) run ./internal/bench -write docs $(BENCH)

bench-go: ## the benchmarks of single packages
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)

ci: ## what CI runs (STAGES="vet lint" for some of it)
	bash .ci/run $(STAGES)

tools: ## build the pinned linter and print its version
	$(LINT) version

clean: ## remove what make built
	rm -rf bin
