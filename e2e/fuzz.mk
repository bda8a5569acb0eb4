# Damaged and made-up bytes against every decoder. Included by the root Makefile.

.PHONY: show-mutants
show-mutants: ## Damaged messages, records, headers and batches: no panic, bounded memory and work. FULL=1: 20,000 of each.
	@e2e/fuzz/mutants $(if $(FULL),--full) $(if $(SEED),--seed $(SEED))

.PHONY: fuzz
fuzz: ## libFuzzer against a decoder: TARGET=frame|request_header|request|response|record|batch|all SECONDS=60 (for each).
	@e2e/fuzz/run $(or $(TARGET),all) $(or $(SECONDS),60)
