# Every target installs what it lacks first (scripts/setup asks apt only for
# what is missing) and prints what it runs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Always exactly these values: another compiler command makes cargo compile
# RocksDB's C++ again, which takes half an hour on two cores. ccache lets the
# release build take the objects of the dev build.
export CC := ccache cc
export CXX := ccache c++
export CARGO_TARGET_DIR ?= $(CURDIR)/target

# What a property test runs per test in `make fuzz`, where cargo-fuzz is missing.
FUZZ_CASES ?= 20000
# Seconds a fuzz target in `make fuzz`, where cargo-fuzz is installed.
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: setup
setup:
	@scripts/setup

.PHONY: demo
demo: setup ## build, then a guided tour with clinic data (under three minutes once built)
	cargo build --bins --example clinic-data
	scripts/demo

.PHONY: test
test: setup ## all tests (under 15 minutes once dependencies are built)
	cargo test --workspace

.PHONY: test-long
test-long: setup ## the tests that take longer: hundreds of crashes, thousands of flipped bytes, 20,000 simulated runs (two to three hours)
	KIMBERLITE_LONG_TESTS=1 cargo test --workspace -- --include-ignored
	$(MAKE) conformance

.PHONY: conformance
conformance: setup ## the same statements on PostgreSQL 15 and here, compared with the committed scoreboard (CONFORMANCE_ARGS="--help")
	cargo build --bins -p kimberlite -p kimberlite-conformance
	$(CARGO_TARGET_DIR)/debug/kimberlite-conformance --json $(CARGO_TARGET_DIR)/conformance.json $(CONFORMANCE_ARGS)

.PHONY: compat
compat: setup ## write the tables of functions, operators and types into COMPAT.md
	cargo build --bins -p kimberlite -p kimberlite-conformance
	$(CARGO_TARGET_DIR)/debug/kimberlite-conformance --compat COMPAT.md

.PHONY: lint
lint: setup ## formatting, clippy with warnings as errors, the text of the tree
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	scripts/check-text

.PHONY: release
release: setup ## optimised binaries
	cargo build --release --bins

.PHONY: bench
bench: release ## side by side with PostgreSQL 15 (about an hour; BENCH_ARGS="--quick" for ten minutes)
	tests/bench/run $(BENCH_ARGS)
	@echo 'What a statement costs in the server, without the wire, in microseconds:'
	cargo run --quiet --release --example statement-overhead

.PHONY: fuzz
fuzz: setup ## every decoder under random input, bounded
	@if cargo fuzz --version >/dev/null 2>&1 && rustc +nightly --version >/dev/null 2>&1; then \
	    cd storage; \
	    for target in $$(cargo +nightly fuzz list); do \
	        echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
	        cargo +nightly fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	    done; \
	else \
	    echo "fuzz: no cargo-fuzz with a nightly compiler here: the property tests run $(FUZZ_CASES) cases each instead"; \
	    PROPTEST_CASES=$(FUZZ_CASES) cargo test --lib -p kimberlite-storage -p kimberlite-consensus -p kimberlite-sql -p kimberlite; \
	fi
