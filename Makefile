# bulkhead: `make` shows the targets. Everything works from a fresh clone on Debian or Ubuntu with Go, git and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO ?= go
PREFIX ?= /usr/local
DESTDIR ?=
FUZZTIME ?= 30s
GOLANGCI_VERSION := v2.15.0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# netgo and osusergo: a static program must not load name service modules. seccomp: libcontainer loads filters.
# urfave_cli_no_docs: no man page writer in the program that every container start runs.
TAGS := netgo osusergo seccomp urfave_cli_no_docs
LDFLAGS := -s -w -buildid= -funcalign=16 -X main.version=$(VERSION) -X main.commit=$(COMMIT) -extldflags '-static -Wl,--gc-sections'
# Of a program that lives for some milliseconds nearly every page is resident, and nearly every line runs once. So nothing is inlined but
# in what runs often: 5 % less memory at the same CPU time.
INLINED := runtime runtime/... internal/... reflect encoding/json
GCFLAGS := -gcflags=all=-l $(addprefix -gcflags=,$(addsuffix =,$(INLINED)))
export CGO_ENABLED := 1

go_build = $(GO) build -trimpath -buildvcs=false -tags "$(TAGS)" $(GCFLAGS) -ldflags "$(LDFLAGS)"
# Prints every failed test's output and one closing line with the counts; fails when anything failed.
# Static, because the integration tests take themselves along into guests of other distributions.
go_test = $(GO) run ./tools/testsum $(GO) test -json -tags "$(TAGS)" -ldflags '-extldflags -static'
UNIT = $$($(GO) list -tags "$(TAGS)" ./... | grep -v /integration)

.PHONY: help
help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what building and testing need (apt-get, only what is missing, starts no service)
	@tools/install-deps test

.PHONY: build-deps
build-deps:
	@tools/install-deps build

.PHONY: build
build: build-deps ## build the programs into bin/ (static)
	@mkdir -p bin
	$(go_build) -o bin/ ./cmd/bulkhead ./cmd/bulkheadctl ./cmd/bulkhead-view

.PHONY: run
run: build ## build, then run a command in a hardened sandbox of this host's files (no engine, no image)
	@bin/bulkheadctl try

.PHONY: test
test: deps build ## everything: unit, golden, fuzz seeds, and integration with real engines (needs root)
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead $(go_test) -count 1 -timeout 85m ./...

.PHONY: unit
unit: build-deps ## unit tests, golden cases and fuzz seeds
	@$(go_test) $(UNIT)

.PHONY: integration
integration: deps build ## the integration tests alone, RUN=regexp for some of them (needs root)
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead $(go_test) -count 1 -timeout 85m $(if $(RUN),-run '$(RUN)') ./integration/...

.PHONY: conformance
conformance: deps build ## runc's own test suite, of the version in go.mod, against bulkhead: integration/testdata/conformance.txt has what deviates (needs root)
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead $(go_test) -count 1 -timeout 40m -run '^TestConformance' ./integration

.PHONY: vm-test
vm-test: deps build ## the integration tests in virtual machines with Debian's own kernels, systemd, cgroup v2 and AppArmor (needs root)
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead BULKHEAD_GUEST_FULL=1 $(go_test) -count 1 -timeout 12h -run '^TestGuest' ./integration

# In pieces: MATRIX is a pattern of tests on this kernel, empty for none, GUEST one of a guest's works (1: all), KEEP=1 keeps
# what the page says of everything else. Results of earlier pieces in dist/matrix count, too: `make clean` forgets them.
MATRIX ?= TestDocker$$|TestDockerEngines$$|TestContainerd$$|TestCRI|TestPodman|TestDockerCopyLife$$|TestDockerCopyEngines$$|TestCLI$$
matrix_test = BULKHEAD_BIN=$(CURDIR)/bin/bulkhead BULKHEAD_TEST_MATRIX=1 $(1) $(GO) test -json -tags "$(TAGS)" -ldflags '-extldflags -static' -count 1 \
	-timeout 12h -run '$(2)' ./integration >dist/matrix/$$(date +%Y%m%d-%H%M%S).json || status=1;
.PHONY: matrix
matrix: deps build ## the tables of docs/compatibility.md: all engines under bulkhead and runc, large images, GUEST=1 for guests too (needs root)
	@mkdir -p dist/matrix; status=0; \
	$(if $(MATRIX),$(call matrix_test,,$(MATRIX))) \
	$(if $(GUEST),$(call matrix_test,BULKHEAD_GUEST_FULL=1,^TestGuest$$/$(patsubst 1,,$(GUEST)))) \
	$(GO) run ./tools/matrix $(if $(KEEP),-keep) -o docs/compatibility.md dist/matrix/*.json || status=1; exit $$status

.PHONY: corpus
corpus: deps build ## popular programs with work loads under runc and bulkhead, ONLY=name,name for some; prints a table (needs root)
	@mkdir -p dist && rm -f dist/corpus.md
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead BULKHEAD_CORPUS=full BULKHEAD_CORPUS_ONLY='$(ONLY)' BULKHEAD_CORPUS_TABLE=$(CURDIR)/dist/corpus.md \
		$(go_test) -count 1 -timeout 60m -run '^TestCorpus' ./integration; status=$$?; cat dist/corpus.md; exit $$status

.PHONY: seccomp-study
seccomp-study: deps build ## record popular programs, generate their profiles and replay them; writes docs/seccomp-results.md (needs root)
	@BULKHEAD_BIN=$(CURDIR)/bin/bulkhead BULKHEAD_STUDY=$(or $(ONLY),full) BULKHEAD_STUDY_DOC=$(CURDIR)/docs/seccomp-results.md \
		$(go_test) -count 1 -timeout 60m -run '^TestSeccompStudy$$' ./integration

.PHONY: check
check: vet lint unit ## vet, lint and unit tests: before every commit

.PHONY: vet
vet: build-deps ## go vet
	@$(GO) vet -tags "$(TAGS)" ./...

golangci = $(shell command -v golangci-lint 2>/dev/null || echo $$($(GO) env GOPATH)/bin/golangci-lint)
.PHONY: lint
lint: build-deps ## golangci-lint with .golangci.yml
	@[ -x "$(golangci)" ] || $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@$(golangci) run --build-tags "$(shell echo $(TAGS) | tr ' ' ,)" ./...

.PHONY: fuzz
fuzz: build-deps ## run each fuzz target for FUZZTIME (30s)
	@set -eu; for dir in $$($(GO) list -tags "$(TAGS)" -f '{{.Dir}}' ./...); do \
		for target in $$(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do \
			echo "$$dir $$target"; \
			$(GO) test -tags "$(TAGS)" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$dir"; \
		done; \
	done

N ?= 30
.PHONY: bench
bench: build ## measure beside runc (built here) and crun: N=30 runs of each, JSON=FILE for all figures (needs root)
	@tools/install-deps bench
	@CGO_ENABLED=0 $(GO) run -trimpath ./tools/bench -n $(N) $(if $(JSON),-json '$(JSON)') -bulkhead bin/bulkhead

.PHONY: man
man: build-deps ## write the manual pages from the definitions of commands, rules and profiles
	@$(GO) test -tags "$(TAGS)" ./cmd/internal/manual ./cmd/bulkhead ./cmd/bulkheadctl -count 1 -run 'TestManual$$' -update

.PHONY: release
release: build-deps ## reproducible static binaries and their checksums in dist/
	@rm -rf dist && mkdir -p dist
	$(go_build) -o dist/ ./cmd/bulkhead ./cmd/bulkheadctl ./cmd/bulkhead-view
	@cd dist && for f in bulkhead bulkheadctl bulkhead-view; do mv "$$f" "$$f-$(VERSION)-linux-$$($(GO) env GOARCH)"; done
	@cd dist && sha256sum bulkhead* >SHA256SUMS && cat SHA256SUMS

PAGES = $(notdir $(wildcard man/*))
.PHONY: install
install: build ## install the programs and manual pages below PREFIX (/usr/local)
	install -D -m 0755 bin/bulkhead $(DESTDIR)$(PREFIX)/bin/bulkhead
	install -D -m 0755 bin/bulkheadctl $(DESTDIR)$(PREFIX)/bin/bulkheadctl
	install -D -m 0755 bin/bulkhead-view $(DESTDIR)$(PREFIX)/bin/bulkhead-view
	for page in $(PAGES); do install -D -m 0644 "man/$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page"; done

.PHONY: uninstall
uninstall: ## remove what install installed
	rm -f $(DESTDIR)$(PREFIX)/bin/bulkhead $(DESTDIR)$(PREFIX)/bin/bulkheadctl $(DESTDIR)$(PREFIX)/bin/bulkhead-view
	for page in $(PAGES); do rm -f "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page"; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
