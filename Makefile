# SPDX-License-Identifier: Apache-2.0
# make help says what there is.

GO ?= go
FUZZTIME ?= 60s
LINT = $(GO) tool -modfile=tools/go.mod
CLUSTER = $(GO) run ./internal/store/storetest/cluster
# The race detector watches our code. SQLite and its C library, which are translated from C and have no goroutines, would
# take ten times as long under its eyes, and three minutes to build.
UNWATCHED = modernc.org/sqlite/lib modernc.org/libc modernc.org/memory
RACE = -race $(foreach p,$(UNWATCHED),-gcflags='$(p)=-race=false -d=checkptr=0')
# Vet is make lint's.
TEST = $(GO) test -vet=off -timeout 30m
# One program for all tests that run it.
PROGRAM = $(CURDIR)/.build/postern
# Packages whose tests open a store: they run once more on PostgreSQL, for the SQL; races were looked for before. The
# store's own tests, and storetest's, know both engines, and run on both with the race detector.
REPLAYED = $(shell $(GO) list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./internal/... | grep ' postern/internal/store/storetest' | cut -d' ' -f1 | grep -v 'internal/store')

.PHONY: help run build test soak test-tools lint fmt fuzz bench screenshots

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: ## serve from ./postern-data
	$(GO) run . serve

build: ## the program, in ./postern, and the modules that it is made of (CycloneDX), in ./postern.cdx.json
	$(GO) build -trimpath -o postern .
	@GO=$(GO) scripts/sbom postern

test: test-tools ## all tests, on SQLite with the race detector and on PostgreSQL; installs what is missing
	$(GO) build -o $(PROGRAM) .
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(TEST) $(RACE) ./...
	@test -n "$(REPLAYED)" || { echo "no packages to replay on PostgreSQL were found"; exit 1; }
	POSTERN_TEST_DATABASE=postgres $(CLUSTER) $(TEST) $(REPLAYED)

soak: test-tools ## the promises for longer: 200 resets of a hammered key, 1,000 changes of each kind under load, 20,000 sessions of garbage and 50 kills -9, on each store; all commands on PostgreSQL
	$(GO) build -o $(PROGRAM) .
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(GO) test -race -count=1 -v -run TestADeadSecretOpensNothing ./test/promises -rounds 200
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(GO) test -race -count=1 -v -timeout 2h -run TestWhatIsAnsweredHolds ./test/promises -changes 1000
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(GO) test -race -count=1 -v -run TestGarbage ./test/promises -garbage 20000
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(GO) test -race -count=1 -v -run TestAcceptedMeansKept ./test/crash -kills 50
	POSTERN_PROGRAM=$(PROGRAM) $(CLUSTER) $(GO) test -count=1 -v -run TestPostgres ./test/cli -all

test-tools:
	@scripts/install-test-tools

lint: ## formatting, vet, the linters of .golangci.yml, and known vulnerabilities where their database can be reached
	@unformatted=$$($(LINT) gofumpt -modpath postern -l .) || exit 1; test -z "$$unformatted" || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(LINT) golangci-lint run ./...
	@GO=$(GO) scripts/vulnerabilities

fmt: ## format with gofumpt
	$(LINT) gofumpt -modpath postern -w .

fuzz: ## every fuzz target for FUZZTIME
	@GO=$(GO) scripts/fuzz $(FUZZTIME)

bench: ## side by side with Postfix, then the packages' own benchmarks
	$(GO) run ./bench
	$(GO) test -run '^$$' -bench . -benchtime 0.5s ./internal/...

screenshots: test-tools ## every page at 1280 and 360 px, light and dark, into ./screenshots
	POSTERN_SCREENSHOTS=$(CURDIR)/screenshots $(GO) test -count=1 ./test/browser/...
