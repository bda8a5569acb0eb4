# Apache Kafka as judge of log directories, and what a log costs by itself. Included by the root Makefile. SEED=n repeats a run; FULL=1 is larger; ONLY=name a part.
.PHONY: show-log-judge
show-log-judge: ## Kafka's tools read every directory that we write, Kafka opens ours and we open its: same records, offsets, groups
	@e2e/tools
	@e2e/log/run --size $(if $(FULL),4,1) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

.PHONY: show-log-bench
show-log-bench: ## The log by itself: append, read, group commit, look-up, recovery. FULL=1: look-up in and recovery of 20 GiB (needs 22 GiB of disk).
	@e2e/tools
	@mkdir -p ~/.cache/barnabas
	@TMPDIR=~/.cache/barnabas BENCH_LOG_MIB=$(if $(FULL),20480,256) cargo bench -q --locked -p barnabas-log --bench log -- $(ONLY)
