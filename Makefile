# Every target runs under the Node that the lockfile brings, whatever Node the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Node keeps what it has made of a source file, so that the next thread or process that loads the file starts sooner.
check test test-unit test-integration test-acceptance test-podvm soak fuzz: export NODE_COMPILE_CACHE := $(CURDIR)/node_modules/.cache/sealift/compile
VITEST = vitest run --config config/dev/vitest.config.ts
TESTS ?=
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup build dist check lint format typecheck test test-unit test-integration test-acceptance test-podvm soak fuzz demo demo-local bench bench-dm-crypt coverage docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do printf '  %-17s %s\n' "$$target" "$$text"; done

setup: ## install the Debian packages (as root) and the npm packages
	@sh scripts/with-debian-packages.sh true

build: ## build dist/sealift, an executable that runs from any folder
	@node scripts/build.ts

dist: ## build dist/sealift-VERSION-linux-ARCH.tar.zst: programs, Node, licences, configuration, install notes
	@node scripts/dist.ts

check: typecheck lint ## what a commit must pass: types, lint, architecture and unit tests (under two minutes)
	@$(VITEST) test/architecture test/unit test/property

lint: ## check formatting and lint rules
	@biome check --error-on-warnings

format: ## write the formatting
	@biome check --write

typecheck: ## check the types of sources, tests and scripts
	@tsc -p .

test: ## all tests; those that need root or a Debian package say so when they cannot run
	@$(MAKE) --no-print-directory -j3 build typecheck lint
	@$(VITEST) $(TESTS)

test-unit: ## tests of pure code
	@$(VITEST) test/unit test/property test/architecture

test-integration: ## tests with real files, sockets, archives and mounts
	@$(VITEST) test/integration test/security test/conformance

test-acceptance: build ## tests of the built program from end to end against a real registry
	@$(VITEST) test/acceptance

test-podvm: build ## tests of the built program in a QEMU machine with real dm-crypt and a disk that the tests tamper with
	@$(VITEST) test/podvm

soak: build ## all tests with the full counts
	@SEALIFT_SOAK=1 $(VITEST) $(TESTS)

fuzz: ## property tests for SECONDS each (60)
	@SEALIFT_FUZZ_SECONDS=$(SECONDS) $(VITEST) test/property

coverage: ## print the share of lines by room that tests of this process reach (not those of acceptance and pod VMs)
	@$(VITEST) --project shared --project parts --coverage.enabled --coverage.include='src/**/*.ts' --coverage.reporter=json-summary $(TESTS)
	@node scripts/report-coverage.ts

demo: build ## boot a pod VM whose disk becomes the image store, pull as the kata agent does, and run the images
	@node scripts/demo.ts

demo-local: build ## the same images without a VM: pull, mount and run; needs root
	@node scripts/demo-local.ts

bench: ## compare with skopeo + umoci, podman and containerd, and write docs/performance.md; needs root (BENCH_*: scripts/bench/README.md)
	@node scripts/bench.ts

bench-dm-crypt: build ## compare ways to encrypt the store's disk, in a pod VM, and write docs/performance.md; needs root
	@node scripts/bench-dm-crypt.ts

docs: ## write docs/errors.md, docs/limits.md and the JSON Schema from the tables in the sources
	@node scripts/generate-docs.ts
	@node scripts/generate-schema.ts

clean: ## remove what the targets created
	@rm -rf dist coverage node_modules/.cache
