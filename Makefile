# Targets are documented by the text after ##; `make help` prints them.
SHELL := /bin/bash
GO ?= go
BIN := bin

# The race detector needs a C compiler; without one tests run without it and say so.
HAVE_CC := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo yes)
ifeq ($(HAVE_CC),yes)
RACE := -race
endif

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/ecideck, bin/ecideck-node and bin/ecideck-lab
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o $(BIN)/ ./cmd/ecideck ./cmd/ecideck-node ./cmd/ecideck-lab

.PHONY: demo
demo: build ## start a cluster and a cloud on this machine and open the console on them
	@$(BIN)/ecideck-lab demo

.PHONY: lab
lab: build ## start the lab and leave it running (end it with bin/ecideck-lab down)
	@$(BIN)/ecideck-lab up --detach

.PHONY: controlplane
controlplane: ## build the lab's control plane if it is not built yet
	@$(GO) run -trimpath ./cmd/ecideck-lab build

.PHONY: test
test: ## run all tests, the lab's too
	@.ci/test $(RACE)

.PHONY: e2e
e2e: controlplane ## run only the tests that start labs
	$(GO) test $(RACE) -trimpath -count=1 -parallel 8 -timeout 30m ./cmd/ecideck ./cmd/ecideck-lab

SOAK ?= 10m
SEED ?= 0
.PHONY: soak
soak: controlplane ## kill the node under churn, then while load spills, each for SOAK (10m), from SEED (0: another each time); 200 swaps; drains side by side; migrations cut off at every step
	$(GO) test $(RACE) -trimpath -tags soak -count=1 -timeout 0 -run '^(TestSoak|TestLoadSpillsToECIAndLeavesItAgain|TestTwoHundredSwaps|TestDrainsSideBySide|TestKilledAtEveryStep|TestTheAPIServerRestartedAtEveryStep|TestAnAbortInALongOutage|TestWithoutAdmissionPolicies)$$' -v ./cmd/ecideck -soak.for=$(SOAK) -soak.seed=$(SEED)

.PHONY: bench
bench: controlplane ## run the benchmarks, those of the lab too
	$(GO) test -run '^$$' -bench . -benchmem ./...

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

.PHONY: golden
golden: ## rewrite the golden files from what the code does now
	$(GO) test ./ui ./provider ./provider/placement ./provider/eci ./collectors -update
	$(GO) test ./cmd/ecideck -run Get -update
	$(GO) test ./cmd -update

.PHONY: lint
lint: ## gofmt, go vet, golangci-lint and govulncheck
	@test -z "$$(gofmt -l cmd collectors provider testdata ui)" || { gofmt -l cmd collectors provider testdata ui; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

.PHONY: clean
clean: ## remove what was built here; the built control plane stays in the cache
	rm -rf $(BIN)
