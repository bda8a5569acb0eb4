# What things cost in instructions, allocations and lines, which other work on the machine does not change. Included by the root Makefile.
cost_programs = $(CARGO_TARGET_DIR)/$(shell uname -m)-unknown-linux-gnu/cost
.PHONY: show-cost
show-cost: ## Instructions and allocations of fixed work against broker/cost/instructions.tsv; BLESS=1 writes it, RIVALS=1 compares with other crates.
	@e2e/tools
	@cargo build -q --locked --profile cost -p barnabas-cost
	@cargo build -q --locked --profile cost -p barnabas-cost-server
	@$(cost_programs)/barnabas-cost $(if $(BLESS),bless,check) broker/cost/instructions.tsv $(cost_programs)/barnabas-cost-server
ifdef RIVALS
	@echo "building kafka-protocol and kafka-wire (a minute when cold)"
	@cargo build -q --locked --profile cost --manifest-path broker/cost/rivals/Cargo.toml
	@$(cost_programs)/barnabas-cost rivals $(cost_programs)/barnabas-cost-rivals
endif

.PHONY: show-size
show-size: ## Lines of the protocol crate beside those of other crates, and what the derive makes of a field (at most 25 lines).
	@e2e/tools
	@e2e/show-size
