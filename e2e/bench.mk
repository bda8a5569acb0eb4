# Barnabas beside Apache Kafka, measured. Included by the root Makefile.
.PHONY: bench show-bench
bench: ## Measures both brokers in one run on a quiet machine, at most 45 minutes. ROW=name runs one, QUICK=1 with tiny sizes.
	@e2e/tools && e2e/bench/bench $(if $(ROW),--row $(ROW)) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(QUICK),--quick)

# Profile ci, because dist takes long to build and the figures of this do not count.
show-bench: ## The rig itself: its arithmetic, the floor, and rows of tiny size: under load, against Apache Kafka, and floor against floor.
	@cd e2e/bench && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.:.. python3 -m unittest discover -s tests
	@cd e2e/bench/floor && cargo fmt --check && cargo test --locked -q && cargo clippy --locked -q --all-targets -- -D warnings
	@BARNABAS_PROFILE=ci e2e/bench/bench --quick --only barnabas --row cost-16k
	@BARNABAS_PROFILE=ci e2e/bench/bench --quick --row start
	@BARNABAS_PROFILE=ci e2e/bench/bench --quick --variants direct --row variant-cost-16k-sync

.PHONY: bench-variants
bench-variants: ## Measures ways to append and to send, built into the floor, against its plain one; at most 15 minutes. ROW=name, PAIRS=n, WAYS="direct copy".
	@e2e/tools && e2e/bench/bench --variants $(WAYS) $(if $(ROW),--row $(ROW)) $(if $(PAIRS),--pairs $(PAIRS))

.PHONY: bench-soak
bench-soak: ## One hour of steady load on Barnabas: memory, files and latency must not grow. MINUTES=n for another length.
	@e2e/tools && e2e/bench/soak $(if $(MINUTES),--minutes $(MINUTES))
