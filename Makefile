# Barnabas. `make help` lists what there is; `make up` and `make test` are the two to know.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Everything built lives outside the checkout, keyed by toolchain and lock file, so that a fresh clone is warm.
CACHE ?= $(HOME)/.cache/barnabas
export CARGO_TARGET_DIR ?= $(CACHE)/target-$(shell sha256sum rust-toolchain.toml .cargo/config.toml | sha256sum | cut -c1-12)

include $(wildcard e2e/*.mk)

stages := $(shell awk -F'\t' '!/^\#/ && NF == 3 {print $$1}' e2e/stages.tsv)
.PHONY: help run test test-full check show-up $(stages:%=test-%)
help: ## This list.
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-22s %s\n", $$1, $$2}'

run: ## A single broker without Kubernetes; DATA=dir and ARGS="--override key=value" as you like.
	@cargo build -q --profile ci -p barnabas
	@exec $(CARGO_TARGET_DIR)/x86_64-unknown-linux-gnu/ci/barnabas server \
		--override log.dirs=$(or $(DATA),$(CURDIR)/target/data) --override advertised.listeners=PLAINTEXT://localhost:9092 $(ARGS)

test: ## All stages (e2e/stages.tsv), ends with `N passed, N failed`; test-unit, test-clients, test-e2e … run one.
	@e2e/tools && e2e/run-stages

test-full: ## The full numbers of seeds, kills, mutants and cases; PART=k/n runs a share. Results go to PROOF.tsv.
	@e2e/tools && e2e/run-full $(or $(PART),1/1)

check: ## The quick part of it: format, tidy, lints, unit tests.
	@e2e/run-stages format tidy clippy unit

$(stages:%=test-%): test-%: ## One stage alone (test-unit, test-clients, test-e2e …).
	@e2e/run-stages $*

show-up: ## `make up` from nothing, then again within 60 s without a change.
	@e2e/show-up
